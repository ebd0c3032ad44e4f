/** What Adam has to know of time, for each layer on its own: layers are not trained in every step. */

/** StyleGAN2's training code scales Adam for a regulariser every 4 steps, and NADA keeps that. */
const LAZY = 4 / 5;

/** Adam's second decay: 0.99, scaled like the learning rate. */
export const BETA2 = 0.99 ** LAZY;

/**
 * What happens to a layer in a step that does not train it: "skip", nothing at all (PyTorch from 2
 * on, where it has no gradient); "decay", its gradient counts as zero, so that its second moment
 * decays and the step is counted (PyTorch 1).
 */
export const FROZEN_ADAM = ["skip", "decay"] as const;
export type FrozenAdam = typeof FROZEN_ADAM[number];

/** The time of one layer. */
export interface LayerTime {
  /** Steps that Adam has counted. */
  readonly count: number;
  /** Of these, the last ones in which the layer was frozen: its moment has yet to decay by them. */
  readonly idle: number;
}

export class AdamClock {
  readonly #times: Map<string, LayerTime>;

  constructor(layers: readonly string[], private readonly frozen: FrozenAdam) {
    this.#times = new Map(layers.map((layer) => [layer, { count: 0, idle: 0 }]));
  }

  get times(): ReadonlyMap<string, LayerTime> {
    return new Map(this.#times);
  }

  restore(times: ReadonlyMap<string, LayerTime>): void {
    for (const layer of this.#times.keys()) this.#times.set(layer, times.get(layer)!);
  }

  /** What `adam` takes as `hyper` for a layer in the next step. */
  hyper(layer: string, lr: number): Float32Array<ArrayBuffer> {
    const { count, idle } = this.#times.get(layer)!;
    return Float32Array.of(lr * LAZY, 1 / (1 - BETA2 ** (count + 1)), BETA2 ** (idle + 1));
  }

  /** Counts a step in which these layers were trained. */
  advance(trained: ReadonlySet<string>): void {
    for (const [layer, { count, idle }] of this.#times) {
      if (trained.has(layer)) this.#times.set(layer, { count: count + 1, idle: 0 });
      else if (this.frozen === "decay") {
        this.#times.set(layer, { count: count + 1, idle: idle + 1 });
      }
    }
  }
}
