/** Images from generators: what to draw, drawn on the GPU, encoded, and kept for the next request. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { safetensorsParts } from "../lib/checkpoint/mod.ts";
import type { ImageFormat } from "../lib/image/mod.ts";
import { VERSION } from "../lib/version.ts";
import { aboutAll, type AdaptationAbout } from "../models/generator/export.ts";
import { latentsBetween, latentsFromSeeds } from "../models/generator/latents.ts";
import type { Latents } from "../models/generator/sampler.ts";
import type { PictureAbout } from "../models/nada/picture_text.ts";
import type { AdaptationJob } from "./adaptations.ts";
import { ByteCache } from "./byte_cache.ts";
import type { Remote } from "./calls.ts";
import { ServiceError } from "./failure.ts";
import { classOf } from "./models.ts";
import type { Generator, Generators } from "./generators.ts";
import type { Drawn, GpuWork, SampleWork } from "./gpu/work.ts";
import type { ImageWork } from "./images/work.ts";

export type SampleFormat = ImageFormat | "safetensors";

/** What to draw; exactly one kind of latents. */
export interface SampleQuery {
  readonly generator: string;
  readonly seeds?: readonly number[];
  readonly z?: readonly (readonly number[])[];
  readonly w?: readonly (readonly number[])[];
  readonly wPlus?: readonly (readonly (readonly number[])[])[];
  /** Default: 0.7, and 1 for w and w+ that are given. */
  readonly truncation?: number;
  readonly strength: number;
  /** Where the images are of classes; default: the one that was adapted. */
  readonly class?: number;
  readonly noise: "const" | "none";
  /** Styles of other seeds from a layer on; from half of them on when it is left out. */
  readonly mix?: { readonly seeds: readonly number[]; readonly from_layer?: number | undefined };
  /** Goes with seeds: each latent lies so far on the way to that of another seed, from 0 to 1. */
  readonly towards?: { readonly seeds: readonly number[]; readonly by: readonly number[] };
  /** A second generator of the same base, and how much of it, from 0 to 1. */
  readonly blend?: { readonly generator: string; readonly by: number };
  readonly format: SampleFormat;
  /** Whether the file says what is in it. */
  readonly metadata: boolean;
  /** Side of each image in pixels; the generator's own when left out. */
  readonly size?: number;
}

export interface SampleFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
}

export const MEDIA_TYPES: Record<SampleFormat, string> = {
  png: "image/png",
  jpeg: "image/jpeg",
  webp: "image/webp",
  safetensors: "application/octet-stream",
};

const TRUNCATION = 0.7;
/** Images that may wait to be drawn. */
const MAX_WAITING = 512;

export class Samples {
  readonly #cache: ByteCache;
  #waiting = 0;

  constructor(
    private readonly generators: Generators,
    private readonly gpu: Remote<GpuWork>,
    private readonly images: Remote<ImageWork>,
    cacheBytes: number,
    private readonly drawn: (seconds: number) => void,
  ) {
    this.#cache = new ByteCache(cacheBytes);
  }

  get cache(): { readonly hits: number; readonly misses: number; readonly bytes: number } {
    return this.#cache;
  }

  /**
   * Names what would be drawn: equal for requests with the same answer, from this server or another
   * one that has the same generator. Throws a ServiceError for a generator that is not there.
   */
  tag(query: SampleQuery): string {
    const { blend } = query;
    const parts = [
      VERSION,
      hashesOf(this.generators.get(query.generator)),
      blend && hashesOf(this.generators.get(blend.generator)),
      { ...query, generator: "", blend: blend?.by },
    ];
    return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
  }

  /** The file. Throws a ServiceError or UserError for what cannot be drawn. */
  draw(query: SampleQuery): Promise<SampleFile> {
    return this.#cache.get(this.tag(query), async () => {
      const { drawn, latents, generator, about } = await this.pixels(query);
      const { format } = query;
      const bytes = format === "safetensors"
        ? tensorFile(drawn, latents, query, query.metadata ? about : null, generator)
        : await this.#encode({ ...query, format }, drawn, about, generator);
      return { bytes, type: MEDIA_TYPES[format] };
    });
  }

  /** The images before they are a file, and what they were drawn from. */
  async pixels(query: SampleQuery) {
    const generator = this.generators.get(query.generator);
    const { blend, mix, noise } = query;
    const second = blend ? this.generators.get(blend.generator) : null;
    const { zSize } = generator.base.architecture;
    const { latents, count } = this.#latents(query, generator);
    const shares = sharesOf(query, generator, second);
    if (this.#waiting + count > MAX_WAITING) {
      throw new ServiceError("busy", `Cannot draw now: ${this.#waiting} images wait; try later`);
    }
    const work: SampleWork = {
      base: generator.base.path,
      classIndex: chosenClass(query, generator),
      adapted: shares.map(({ of, strength }) => ({
        delta: this.generators.path(of, "delta"),
        strength,
      })),
      latents,
      count,
      truncation: truncationOf(query),
      noise,
      mix: mix
        ? { latents: { z: latentsFromSeeds(mix.seeds, zSize) }, crossover: mixFrom(mix, generator) }
        : null,
    };
    this.#waiting += count;
    const started = performance.now();
    try {
      const drawn = await this.gpu.call("sample", work);
      return { drawn, latents, generator, about: aboutOf(query, generator, shares) };
    } finally {
      this.#waiting -= count;
      this.drawn((performance.now() - started) / 1000);
    }
  }

  async #encode(
    query: SampleQuery & { readonly format: ImageFormat },
    { images, count, resolution }: Drawn,
    about: PictureAbout,
    generator: Generator,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { seeds, format, size, metadata } = query;
    const sheet = count === 1 ? null : {
      title: about.source ? `${about.source} → ${about.target}` : generator.id,
      subtitle: `truncation ${truncationOf(query)}`,
      captions: seeds?.map((seed) => `seed ${seed}`) ??
        Array.from({ length: count }, (_, i) => `row ${i}`),
    };
    return await this.images.call(
      "encode",
      {
        ...{ images, count, resolution, format, size: size ?? null, sheet },
        about: metadata ? about : null,
      },
      { transfer: [images.buffer] },
    );
  }

  /** The latents, checked. */
  #latents(query: SampleQuery, { base }: Generator): { latents: Latents; count: number } {
    const { seeds, z, w, wPlus, mix, towards } = query;
    const { zSize, wSize, wCount } = base.architecture;
    const rows = seeds ?? z ?? w ?? wPlus!;
    if (mix && mix.seeds.length !== rows.length) {
      throw new ServiceError(
        "invalid_request",
        `Cannot mix ${rows.length} latents with ${mix.seeds.length} seeds: give one for each`,
        { field: "mix.seeds" },
      );
    }
    const count = rows.length;
    if (towards) {
      if (!seeds || towards.seeds.length !== count || towards.by.length !== count) {
        throw new ServiceError(
          "invalid_request",
          "Cannot go towards other seeds: give seeds, and of `towards.seeds` and `towards.by` one " +
            "for each",
          { field: "towards" },
        );
      }
      const [from, to] = [seeds, towards.seeds].map((each) => latentsFromSeeds(each, zSize));
      return { latents: { z: latentsBetween(from!, to!, towards.by, zSize) }, count };
    }
    if (seeds) return { latents: { z: latentsFromSeeds(seeds, zSize) }, count };
    if (z) return { latents: { z: flat("z", z, zSize) }, count };
    if (w) return { latents: { w: flat("w", w, wSize) }, count };
    const layers = wPlus!.flat();
    if (layers.length !== count * wCount) {
      throw new ServiceError(
        "invalid_request",
        `Cannot draw from w_plus of ${
          layers.length / count
        } layers: this generator takes ${wCount}`,
        { field: "w_plus" },
      );
    }
    return { latents: { wPlus: flat("w_plus", layers, wSize) }, count };
  }
}

/** An adapted generator, and how much of its change. */
interface Share {
  readonly of: Generator & { readonly adaptation: AdaptationJob };
  readonly strength: number;
}

/** What the base is moved by: none of a base itself. Throws a ServiceError for two bases. */
function sharesOf(
  { strength, blend }: SampleQuery,
  generator: Generator,
  second: Generator | null,
): Share[] {
  if (second && second.base !== generator.base) {
    throw new ServiceError(
      "invalid_request",
      `Cannot blend "${generator.id}" with "${second.id}": they are of different bases, ` +
        `"${generator.base.name}" and "${second.base.name}"`,
      { field: "blend.generator" },
    );
  }
  const by = blend?.by ?? 0;
  const parts = [{ of: generator, part: 1 - by }, { of: second, part: by }];
  return parts.flatMap(({ of, part }) =>
    of?.adaptation && part !== 0
      ? [{ of: { ...of, adaptation: of.adaptation }, strength: strength * part }]
      : []
  );
}

function mixFrom({ from_layer }: NonNullable<SampleQuery["mix"]>, { base }: Generator): number {
  return from_layer ?? base.architecture.wCount / 2;
}

export function truncationOf({ truncation, w, wPlus }: SampleQuery): number {
  return truncation ?? (w || wPlus ? 1 : TRUNCATION);
}

/** Throws a ServiceError where the generator has no such class, or one has to be chosen. */
function chosenClass(query: SampleQuery, { base, adaptation }: Generator): number | null {
  return classOf(base, query.class ?? adaptation?.request.class);
}

function hashesOf({ base, adaptation }: Generator): string[] {
  return [base.sha256, ...adaptation ? [adaptation.result!.sha256] : []];
}

function flat(
  name: string,
  rows: readonly (readonly number[])[],
  size: number,
): Float32Array<ArrayBuffer> {
  const wrong = rows.find((row) => row.length !== size);
  if (!wrong) return Float32Array.from(rows.flat());
  throw new ServiceError(
    "invalid_request",
    `Cannot draw from ${name} of ${wrong.length} values: this generator takes ${size}`,
    { field: name },
  );
}

function aboutOf(
  query: SampleQuery,
  generator: Generator,
  shares: readonly Share[],
): PictureAbout {
  const { base } = generator;
  const { seeds, mix, towards, noise } = query;
  const ofClass = chosenClass(query, generator);
  return {
    ...seeds ? seeds.length === 1 ? { seed: seeds[0]! } : { seeds } : { latents: "given" },
    ...mix && { mixSeeds: mix.seeds, mixFrom: mixFrom(mix, generator) },
    ...towards && { towardsSeeds: towards.seeds, towardsBy: towards.by },
    truncation: truncationOf(query),
    noise,
    generator: basename(base.path),
    generatorSha256: base.sha256,
    ...ofClass !== null && { class: ofClass },
    ...aboutAll(shares.map(adaptationAbout)),
    ...shares.length === 1 && { step: shares[0]!.of.adaptation.result!.stepsDone },
  };
}

function adaptationAbout({ of: { adaptation }, strength }: Share): AdaptationAbout {
  const { id, request: { source = "generator", target }, result } = adaptation;
  return {
    adapted: id,
    adaptedSha256: result!.sha256,
    strength,
    source,
    target: typeof target === "string" ? target : target?.map(({ text }) => text).join(" + ") ??
      "images",
  };
}

/** The drawn images and their latents, as `nada sample` writes them. */
function tensorFile(
  { images, wPlus, count, resolution }: Drawn,
  latents: Latents,
  { mix }: SampleQuery,
  about: PictureAbout | null,
  { base: { architecture: { zSize, wSize, wCount } } }: Generator,
): Uint8Array<ArrayBuffer> {
  const tensors = new Map([
    ["images", { shape: [count, 3, resolution, resolution], data: images }],
    ["w_plus", { shape: [count, wCount, wSize], data: wPlus }],
  ]);
  if ("z" in latents) tensors.set("z", { shape: [count, zSize], data: latents.z });
  if (!mix && !("wPlus" in latents)) {
    // All layers of an image have the same w.
    const data = new Float32Array(count * wSize);
    for (let i = 0; i < count; i++) {
      const start = i * wCount * wSize;
      data.set(wPlus.subarray(start, start + wSize), i * wSize);
    }
    tensors.set("w", { shape: [count, wSize], data });
  }
  const parts = safetensorsParts(tensors, {
    "nada.format": "samples",
    "nada.version": VERSION,
    ...about && { "nada.about": JSON.stringify(about) },
  });
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
