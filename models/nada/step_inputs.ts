/** What a run draws at random for each step, the same for a seed whether it was interrupted or not. */
import type { Architecture } from "../stylegan2/architecture.ts";
import type { SelectionInputs } from "./layer_selection.ts";
import type { AutoLayers } from "./options.ts";
import { LatentStream, noiseKeys } from "./random_latents.ts";
import { PatchStream } from "./random_patches.ts";
import type { StepInputs } from "./training.ts";

/** Keeps the latents of the layer choice apart from those of the same seed; any number would do. */
const SELECTION_STREAM = 0x7f4a7c15;

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
  readonly given: GivenLatents | null;
}

export class StepStream {
  #step: number;
  readonly #latents: LatentStream | null;
  readonly #patches: PatchStream;
  readonly #selection: LatentStream | null;

  /** `done` steps have been taken already. */
  constructor(
    private readonly architecture: Architecture,
    private readonly options: StreamOptions,
    done: number,
  ) {
    const { seed, batch, autoLayers, given } = options;
    const { zSize, resolution } = architecture;
    this.#step = done;
    this.#latents = given ? null : new LatentStream(seed, batch * zSize, done);
    this.#patches = new PatchStream(
      seed,
      { height: resolution, width: resolution, patches: batch },
      done,
    );
    this.#selection = autoLayers && !given?.zSelection
      ? new LatentStream(
        (seed ^ SELECTION_STREAM) >>> 0,
        autoLayers.batch * zSize,
        Math.ceil(done / autoLayers.every),
      )
      : null;
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
