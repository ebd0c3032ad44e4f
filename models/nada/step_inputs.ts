/** What a run draws at random for each step, the same for a seed whether it was interrupted or not. */
import type { Sizes } from "../generator/generator.ts";
import type { SelectionInputs } from "./layer_selection.ts";
import type { AutoLayers } from "./options.ts";
import { type Augmentation, windowSize, WindowStream } from "./augmentation.ts";
import { LatentStream, MixingStream, noiseKeys } from "./random_latents.ts";
import { PatchStream } from "./random_patches.ts";
import type { StepInputs } from "./training.ts";

/** Keep these streams apart from the latents of the same seed; any other numbers would do. */
const SELECTION_STREAM = 0x7f4a7c15;
const MIXING_STREAM = 0x2545f491;
const WINDOW_STREAM = 0x5bd1e995;

/** Latents from a file, by step. */
export interface GivenLatents {
  /** `[steps, batch, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  /** `[steps, auto layer batch, zSize]`; null to draw them. */
  readonly zSelection: Float32Array<ArrayBuffer> | null;
}

export interface StreamOptions {
  readonly seed: number;
  readonly batch: number;
  readonly autoLayers: AutoLayers | null;
  readonly mixing: number;
  readonly augmentation: Augmentation;
  readonly given: GivenLatents | null;
}

export class StepStream {
  #step: number;
  readonly #latents: LatentStream | null;
  readonly #patches: PatchStream;
  readonly #selection: LatentStream | null;
  readonly #mixing: MixingStream | null;
  readonly #windows: WindowStream | null;

  /** `done` steps have been taken already. */
  constructor(
    private readonly architecture: Sizes,
    private readonly options: StreamOptions,
    done: number,
  ) {
    const { seed, batch, autoLayers, given, mixing, augmentation } = options;
    const { zSize, wCount, resolution } = architecture;
    const other = (stream: number) => (seed ^ stream) >>> 0;
    const side = augmentation === "none" ? resolution : windowSize(resolution);
    this.#step = done;
    this.#latents = given ? null : new LatentStream(seed, batch * zSize, done);
    this.#patches = new PatchStream(
      seed,
      { height: side, width: side, patches: batch },
      done,
    );
    this.#selection = autoLayers && !given?.zSelection
      ? new LatentStream(
        other(SELECTION_STREAM),
        autoLayers.batch * zSize,
        Math.ceil(done / autoLayers.every),
      )
      : null;
    const sizes = { wCount, countPerStep: batch * zSize };
    this.#mixing = mixing > 0 ? new MixingStream(other(MIXING_STREAM), mixing, sizes, done) : null;
    this.#windows = augmentation === "none"
      ? null
      : new WindowStream(augmentation, other(WINDOW_STREAM), resolution, batch, done);
  }

  /**
   * What the next step takes. `selection` is for the choice of its layers, null where the last
   * choice still holds.
   */
  next(): { step: StepInputs; selection: SelectionInputs | null } {
    const { seed, batch, autoLayers, given } = this.options;
    const step = this.#step++;
    const rows = (values: Float32Array<ArrayBuffer>, count: number) => {
      const size = count * this.architecture.zSize;
      return values.subarray(step * size, (step + 1) * size);
    };
    return {
      step: {
        z: this.#latents?.next() ?? rows(given!.z, batch),
        noiseKeys: noiseKeys(seed, step),
        corners: this.#patches.next(),
        mixing: this.#mixing?.next() ?? null,
        windows: this.#windows?.next() ?? null,
      },
      selection: autoLayers && step % autoLayers.every === 0
        ? {
          z: this.#selection?.next() ?? rows(given!.zSelection!, autoLayers.batch),
          noiseKey: Uint32Array.of(
            (seed ^ SELECTION_STREAM) >>> 0,
            step * autoLayers.iterations,
          ),
        }
        : null,
    };
  }
}
