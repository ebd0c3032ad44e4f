/** Generators that clients may draw with: the registered ones, and what adaptations made of them. */
import { join } from "node:path";
import type { AdaptationJob, Adaptations } from "./adaptations.ts";
import type { Remote } from "./calls.ts";
import { ServiceError } from "./failure.ts";
import type { ImageWork } from "./images/work.ts";
import { type BaseModel, classOf, type Models } from "./models.ts";

export interface Generator {
  /** A registered name, or the id of the adaptation that made it. */
  readonly id: string;
  readonly base: BaseModel;
  /** null for a base. */
  readonly adaptation: AdaptationJob | null;
}

export class Generators {
  /** `exports` is a folder for files that are made to be sent once. */
  constructor(
    private readonly models: Models,
    private readonly adaptations: Adaptations,
    private readonly images: Remote<ImageWork>,
    private readonly exports: string,
  ) {}

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

  /** The file of its weights. Throws a ServiceError for a delta of a base, and the other way. */
  path({ id, base, adaptation }: Generator, format: "delta" | "original"): string {
    if ((format === "delta") !== (adaptation !== null)) {
      throw new ServiceError(
        "not_found",
        `Cannot give "${id}" as ${format}: it is ${adaptation ? "adapted" : "a base"}`,
      );
    }
    return adaptation ? this.adaptations.deltaPath(id) : base.file;
  }

  /** Of the file of its weights; null where that is gone. */
  async sizeBytes({ id, base, adaptation }: Generator): Promise<number | null> {
    if (!adaptation) return base.sizeBytes;
    const about = await Deno.stat(this.adaptations.deltaPath(id)).catch(() => null);
    return about?.size ?? null;
  }

  /**
   * Writes the whole generator, of one class where there are some, to a new file, which is the
   * caller's to remove.
   */
  async write(
    { id, base, adaptation }: Generator,
    format: "safetensors" | "rosinality",
    { ending, ofClass }: { readonly ending: string; readonly ofClass: number | undefined },
  ): Promise<string> {
    const classIndex = classOf(base, ofClass ?? adaptation?.request.class);
    await Deno.mkdir(this.exports, { recursive: true });
    const path = join(this.exports, `${crypto.randomUUID()}${ending}`);
    const delta = adaptation && this.adaptations.deltaPath(id);
    await this.images.call("writeGenerator", {
      base: base.path,
      classIndex,
      delta,
      format,
      path,
    });
    return path;
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
