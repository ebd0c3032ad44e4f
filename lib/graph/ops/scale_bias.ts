/** A scale and a bias for each channel, as one op for the sake of memory. */
import { defineElementwise, type Op } from "../op.ts";
import { div, mul, sub } from "./elementwise.ts";
import { fitCotangent } from "./reduce.ts";

/**
 * `y = scale * x + bias`, shapes broadcast; scale must not be 0. The gradient reads only y, as in
 * `modulatedLrelu`: x, the large result of a convolution, need not outlive the forward pass.
 */
export const scaleBias: Op<"x" | "scale" | "bias", Record<never, never>> = defineElementwise({
  name: "scale_bias",
  inputs: ["x", "scale", "bias"],
  cheap: true,
  expression: ({ x, scale, bias }) => `${scale} * ${x} + ${bias}`,
  scalar: ({ x, scale, bias }) => scale * x + bias,
  vjp: (gy, { scale, bias, out: y }) => ({
    x: mul(gy, scale),
    // Σ g x = (Σ g scale x) / scale, so one division for each scale is enough.
    scale: div(fitCotangent(mul(gy, sub(y, bias)), scale.shape), scale),
    bias: gy,
  }),
  samples: [
    {
      inputs: { x: [2, 3, 5, 7], scale: [2, 3, 1, 1], bias: [3, 1, 1] },
      attrs: {},
      fill: { scale: (_, random) => 0.5 + 2 * random() },
    },
  ],
});
