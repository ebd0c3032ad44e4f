/** Walks between seeds: frames drawn a few at a time, and written while the next ones are drawn. */
import { writeZip, type ZipFile } from "../lib/checkpoint/mod.ts";
import type { Remote } from "./calls.ts";
import { ServiceError } from "./failure.ts";
import type { ImageWork } from "./images/work.ts";
import type { SampleQuery, Samples } from "./samples.ts";

export interface WalkQuery {
  /** What is the same in every frame. */
  readonly look: Pick<
    SampleQuery,
    "generator" | "truncation" | "strength" | "class" | "blend" | "size" | "metadata"
  >;
  /** Where it passes, two or more. */
  readonly seeds: readonly number[];
  /** From one seed to the next. */
  readonly frames: number;
  /** Whether it ends where it begins. */
  readonly loop: boolean;
  readonly format: WalkFormat;
  /** How long an animation shows a frame. */
  readonly frameMs: number;
}

export const WALK_FORMATS = ["zip", "gif"] as const;
export type WalkFormat = typeof WALK_FORMATS[number];

/** Of one walk. */
export const MAX_FRAMES = 600;
/** Drawn together. */
const GROUP = 8;
/** The last byte of every GIF. */
const GIF_TRAILER = 0x3b;

export class Walks {
  constructor(private readonly samples: Samples, private readonly images: Remote<ImageWork>) {}

  /**
   * The file, as it comes to be: PNGs in a zip archive, or an animated GIF. Throws a ServiceError or
   * UserError for what cannot be drawn before anything is written.
   */
  async write(query: WalkQuery): Promise<ReadableStream<Uint8Array>> {
    const groups = this.#groups(query);
    // What is wrong shows with the first frames.
    const first = await groups.next();
    const all = async function* () {
      if (!first.done) yield first.value;
      yield* groups;
    };
    return query.format === "gif" ? gif(all()) : zip(all());
  }

  /** Frames as files, some at a time. */
  async *#groups(query: WalkQuery): AsyncGenerator<Uint8Array<ArrayBuffer>[]> {
    const { look, seeds, format, frameMs } = query;
    const stops = stopsOf(query);
    if (stops.length > MAX_FRAMES) {
      throw new ServiceError(
        "invalid_request",
        `Cannot write a walk of ${stops.length} frames: at most ${MAX_FRAMES}; give fewer seeds or ` +
          `frames`,
      );
    }
    for (let start = 0; start < stops.length; start += GROUP) {
      const group = stops.slice(start, start + GROUP);
      const { drawn, about } = await this.samples.pixels({
        ...look,
        seeds: group.map(({ leg }) => seeds[leg]!),
        towards: {
          seeds: group.map(({ leg }) => seeds[(leg + 1) % seeds.length]!),
          by: group.map(({ by }) => by),
        },
        noise: "const",
        format: "png",
      });
      const { images, count, resolution } = drawn;
      const { seeds: _, ...common } = about;
      yield await this.images.call("encodeFrames", {
        ...{ images, count, resolution, size: look.size ?? null },
        gif: format === "gif" ? { frameMs, isFirst: start === 0 } : null,
        about: group.map(({ leg, by }) =>
          look.metadata
            ? {
              ...common,
              seed: seeds[leg]!,
              towardsSeeds: [seeds[(leg + 1) % seeds.length]!],
              towardsBy: [by],
            }
            : null
        ),
      }, { transfer: [images.buffer] });
    }
  }
}

/** Each frame: which leg it is on, and how far along it. */
function stopsOf({ seeds, frames, loop }: WalkQuery): { leg: number; by: number }[] {
  const legs = loop ? seeds.length : seeds.length - 1;
  const stops = Array.from({ length: legs * frames }, (_, i) => ({
    leg: Math.floor(i / frames),
    by: i % frames / frames,
  }));
  return loop ? stops : [...stops, { leg: legs - 1, by: 1 }];
}

type Groups = AsyncGenerator<Uint8Array<ArrayBuffer>[]>;

function gif(groups: Groups): ReadableStream<Uint8Array> {
  return ReadableStream.from((async function* () {
    for await (const group of groups) yield* group;
    yield Uint8Array.of(GIF_TRAILER);
  })());
}

function zip(groups: Groups): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const write = async (content: Uint8Array | string) => {
    await writer.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
  };
  writeZip(write, named(groups), 1).then(() => writer.close()).catch((error) => {
    // Whoever reads it went away, or is to see that the file is not whole.
    writer.abort(error).catch(() => {});
  });
  return readable;
}

async function* named(groups: Groups): AsyncGenerator<ZipFile> {
  let i = 0;
  for await (const group of groups) {
    for (const content of group) {
      yield { name: `frame_${String(i++).padStart(4, "0")}.png`, content };
    }
  }
}
