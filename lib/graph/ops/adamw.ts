/** Adam with both moments, for training from nothing. */
import adamwWgsl from "../../../kernels/adamw.wgsl" with { type: "text" };
import { numel } from "../tensor.ts";
import { defineUpdate } from "../update.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

export interface AdamwAttrs {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/**
 * `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g²` and
 * `w = keep w - rate m / (sqrt(v correction) + eps)`. `hyper` is `[rate, correction, keep]`, as
 * `adamwHyper` gives it; nothing changes unless `guard` `[1]` is finite.
 */
export const adamw = defineUpdate<"w" | "m" | "v", "g" | "hyper" | "guard", AdamwAttrs>({
  name: "adamw",
  states: ["w", "m", "v"],
  kernel: {
    name: "adamw",
    source: adamwWgsl,
    params: ({ w }, { beta1, beta2, eps }) => ({
      count: numel(w.shape),
      beta1,
      rest1: 1 - beta1,
      beta2,
      rest2: 1 - beta2,
      eps,
    }),
    consts: PER_ELEMENT,
    grid: perElement,
  },
  reference({ w, m, v, g, hyper, guard }, { beta1, beta2, eps }) {
    if (!Number.isFinite(guard.data[0])) {
      return { w: Array.from(w.data), m: Array.from(m.data), v: Array.from(v.data) };
    }
    const [rate, correction, keep] = [hyper.data[0]!, hyper.data[1]!, hyper.data[2]!];
    const first = Array.from(m.data, (old, i) => beta1 * old + (1 - beta1) * g.data[i]!);
    const second = Array.from(v.data, (old, i) => beta2 * old + (1 - beta2) * g.data[i]! ** 2);
    const weights = Array.from(
      w.data,
      (old, i) => keep * old - rate * first[i]! / (Math.sqrt(second[i]! * correction) + eps),
    );
    return { w: weights, m: first, v: second };
  },
  samples: [1, NaN, -Infinity].map((guard) => ({
    inputs: { w: [3, 5, 7], m: [3, 5, 7], v: [3, 5, 7], g: [3, 5, 7], hyper: [3], guard: [1] },
    attrs: { beta1: 0.9, beta2: 0.98, eps: 1e-8 },
    fill: {
      v: (_: number, random: () => number) => random(),
      hyper: (i: number) => [0.02, 1.7, 0.995][i]!,
      guard: () => guard,
    },
  })),
});

/** `hyper` at step t = 1, 2, … for a learning rate and a weight decay. */
export function adamwHyper(
  { beta1, beta2 }: Pick<AdamwAttrs, "beta1" | "beta2">,
  { t, lr, decay }: { t: number; lr: number; decay: number },
): Float32Array<ArrayBuffer> {
  return Float32Array.of(lr / (1 - beta1 ** t), 1 / (1 - beta2 ** t), 1 - lr * decay);
}
