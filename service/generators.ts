/** Generators that clients may draw with: the registered ones, and what adaptations made of them. */
import type { AdaptationJob, Adaptations } from "./adaptations.ts";
import { ServiceError } from "./failure.ts";
import type { BaseModel, Models } from "./models.ts";

export interface Generator {
  /** A registered name, or the id of the adaptation that made it. */
  readonly id: string;
  readonly base: BaseModel;
  /** null for a base. */
  readonly adaptation: AdaptationJob | null;
}

export class Generators {
  constructor(private readonly models: Models, private readonly adaptations: Adaptations) {}

  list(): Generator[] {
    const bases = [...this.models.generators.values()].map((base) => ({
      id: base.name,
      base,
      adaptation: null,
    }));
    const adapted = this.adaptations.succeeded().flatMap((job): Generator[] => {
      const base = this.models.generators.get(job.request.generator);
      return base ? [{ id: job.id, base, adaptation: job }] : [];
    });
    return [...bases, ...adapted];
  }

  /** Throws a ServiceError where there is none. */
  get(id: string): Generator {
    const base = this.models.generators.get(id);
    if (base) return { id, base, adaptation: null };
    const job = this.adaptations.queue.get(id);
    const own = job && this.models.generators.get(job.request.generator);
    if (job?.state === "succeeded" && own) return { id, base: own, adaptation: job };
    throw new ServiceError(
      "not_found",
      `Cannot find the generator "${id}"` + (job ? `: its adaptation is ${job.state}` : ""),
    );
  }

  /** The file of its weights: a base checkpoint, or a delta. */
  path({ id, base, adaptation }: Generator): string {
    return adaptation ? this.adaptations.deltaPath(id) : base.path;
  }

  async delete(id: string): Promise<void> {
    const { adaptation } = this.get(id);
    if (!adaptation) {
      throw new ServiceError(
        "conflict",
        `Cannot delete the generator "${id}": it is registered with the server's configuration`,
      );
    }
    await this.adaptations.delete(id);
  }
}
