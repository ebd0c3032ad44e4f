/** What changes states: the optimiser's step and plain assignment. */
import adamWgsl from "../../../kernels/adam.wgsl" with { type: "text" };
import assignWgsl from "../../../kernels/assign.wgsl" with { type: "text" };
import { numel } from "../tensor.ts";
import { defineUpdate } from "../update.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

/**
 * Adam without first moment: `v = decay v + (1 - beta2) g²`, `w -= lr g / (sqrt(v / c) + eps)`.
 * `hyper` is `[lr, 1 / c, decay]` with c = 1 - beta2^t at step t = 1, 2, …, and decay = beta2, or a
 * power of it after steps that were left out; nothing changes unless `guard` `[1]` is finite.
 */
export const adam = defineUpdate<
  "w" | "v",
  "g" | "hyper" | "guard",
  { beta2: number; eps: number }
>({
  name: "adam",
  states: ["w", "v"],
  kernel: {
    name: "adam",
    source: adamWgsl,
    params: ({ w }, { beta2, eps }) => ({ count: numel(w.shape), rest: 1 - beta2, eps }),
    consts: PER_ELEMENT,
    grid: perElement,
  },
  reference({ w, v, g, hyper, guard }, { beta2, eps }) {
    if (!Number.isFinite(guard.data[0])) return { w: Array.from(w.data), v: Array.from(v.data) };
    const moments = Array.from(
      v.data,
      (old, i) => hyper.data[2]! * old + (1 - beta2) * g.data[i]! ** 2,
    );
    const [lr, correction] = [hyper.data[0]!, hyper.data[1]!];
    const weights = Array.from(
      w.data,
      (old, i) => old - lr * g.data[i]! / (Math.sqrt(moments[i]! * correction) + eps),
    );
    return { w: weights, v: moments };
  },
  samples: [1, NaN, Infinity].map((guard) => ({
    inputs: { w: [3, 5, 7], v: [3, 5, 7], g: [3, 5, 7], hyper: [3], guard: [1] },
    attrs: { beta2: 0.992, eps: 1e-8 },
    fill: {
      v: (_: number, random: () => number) => random(),
      hyper: (i: number) => [0.01, 1.5, 0.98][i]!,
      guard: () => guard,
    },
  })),
});

/** `state = value`. */
export const assign = defineUpdate<"state", "value", Record<never, never>>({
  name: "assign",
  states: ["state"],
  kernel: {
    name: "assign",
    source: assignWgsl,
    params: ({ state }) => ({ count: numel(state.shape) }),
    consts: PER_ELEMENT,
    grid: perElement,
  },
  reference: ({ value }) => ({ state: Array.from(value.data) }),
  samples: [{ inputs: { state: [5, 7], value: [5, 7] }, attrs: {} }],
});
