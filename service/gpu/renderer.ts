/** Draws what is asked for, together where it can be. */
import type { Latents, Samples } from "../../models/generator/sampler.ts";
import type { AdaptedCache } from "./adapted_cache.ts";
import type { Spare } from "./spare.ts";
import type { Turns } from "./turns.ts";
import type { Drawn, SampleWork } from "./work.ts";

interface Waiting {
  readonly work: SampleWork;
  readonly resolve: (drawn: Drawn) => void;
  readonly reject: (error: unknown) => void;
}

/** Images that are drawn together. */
const MOST_TOGETHER = 8;

/**
 * One request after the other uses the device. While it is busy, others come in, and those that
 * want the same generator in the same way are then drawn in one batch.
 */
export class Renderer {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  constructor(
    private readonly cache: AdaptedCache,
    private readonly spare: Spare,
    private readonly turns: Turns,
  ) {}

  draw(work: SampleWork): Promise<Drawn> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      this.#drain();
    });
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    await Promise.resolve(); // let what comes in the same turn be drawn together
    while (this.#waiting.length > 0) {
      // A step of training and a group of images take turns: to draw takes more than one submission,
      // and each would have to wait for a step of its own.
      using _turn = await this.turns.take();
      const group = this.#nextGroup();
      try {
        const all = await this.#drawTogether(group.map(({ work }) => work));
        group.forEach(({ resolve }, i) => resolve(all[i]!));
      } catch (error) {
        group.forEach(({ reject }) => reject(error));
      }
    }
    this.#busy = false;
  }

  /** The request that waits longest, and those that can be drawn with it. */
  #nextGroup(): Waiting[] {
    const first = this.#waiting.shift()!;
    const group = [first];
    let rows = first.work.count;
    const kind = kindOf(first.work);
    for (const other of [...this.#waiting]) {
      const { count } = other.work;
      if (first.work.mix || kindOf(other.work) !== kind || rows + count > MOST_TOGETHER) continue;
      group.push(other);
      rows += count;
      this.#waiting.splice(this.#waiting.indexOf(other), 1);
    }
    return group;
  }

  async #drawTogether(works: readonly SampleWork[]): Promise<Drawn[]> {
    const [{ truncation, mix }] = works as [SampleWork];
    const counts = works.map(({ count }) => count);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const { samples, resolution } = await this.spare.use(async () => {
      const sampler = await this.cache.sampler(works[0]!, total);
      const latents = joined(works.map(({ latents }) => latents));
      const samples = await sampler.sample(latents, { psi: truncation, ...mix && { mix } });
      return { samples, resolution: sampler.architecture.resolution };
    });
    let start = 0;
    return counts.map((count) => part(samples, start, start += count, resolution));
  }
}

/** Equal for requests whose images one run of a program can draw. */
function kindOf({ latents, count: _, mix, ...alike }: SampleWork): string {
  return JSON.stringify([alike, Object.keys(latents), mix !== null]);
}

/** Latents of one kind as one. */
function joined(all: readonly Latents[]): Latents {
  const [kind] = Object.keys(all[0]!) as [string];
  const parts = all.map((latents) => (latents as Record<string, Float32Array>)[kind]!);
  const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of parts) {
    data.set(values, at);
    at += values.length;
  }
  return { [kind]: data } as unknown as Latents;
}

/** Some of the images, in memory of their own. */
function part(
  { images, wPlus, count }: Samples,
  start: number,
  end: number,
  resolution: number,
): Drawn {
  const rows = (data: Float32Array<ArrayBuffer>) => {
    const size = data.length / count;
    return data.slice(start * size, end * size);
  };
  return { images: rows(images), wPlus: rows(wPlus), count: end - start, resolution };
}
