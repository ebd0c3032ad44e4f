/** The end of a modulated convolution, as one op for the sake of memory. */
import { defineElementwise, type Op } from "../op.ts";
import { f32Literal } from "../wgsl.ts";
import { div, lreluInverse, mul, sub } from "./elementwise.ts";
import { type ClampedLreluAttrs, clampedLreluGrad } from "./clamped_lrelu.ts";
import { productSums } from "./product_sums.ts";
import { fitCotangent, sum } from "./reduce.ts";
import { expand, reshape } from "./shape.ts";
import { numel, type Tensor } from "../tensor.ts";

/** Whether scale, strength and bias are the same for all pixels of a plane of y `[n, c, h, w]`. */
function isPerPlane(
  y: Tensor,
  { scale, strength, bias }: Record<"scale" | "strength" | "bias", Tensor>,
): boolean {
  const perPlane = (x: Tensor) => x.rank === 0 || x.shape.slice(-2).every((size) => size === 1);
  return y.rank === 4 && numel(strength.shape) === 1 && bias.rank === 3 && perPlane(bias) &&
    scale.rank === 4 && perPlane(scale) && numel(scale.shape) === y.shape[0]! * y.shape[1]!;
}

export type ModulatedLreluInputs = "x" | "scale" | "noise" | "strength" | "bias";

/**
 * `y = clamp(gain * lrelu(scale * x + strength * noise + bias), ±limit)`, shapes broadcast; scale
 * must not be 0, `0 < slope <= 1` and `gain > 0`.
 *
 * The gradient reads only y, from which `scale * x` is found by inverting, unless it is 0 at the
 * limit: x, the large result of a convolution, need not outlive the forward pass, nor be stored at
 * all where this op is fused.
 */
export const modulatedLrelu: Op<ModulatedLreluInputs, ClampedLreluAttrs> = defineElementwise({
  name: "modulated_lrelu",
  inputs: ["x", "scale", "noise", "strength", "bias"],
  cheap: true,
  expression: ({ x, scale, noise, strength, bias }, { slope, gain, limit }) => {
    const t = `(${scale} * ${x} + ${strength} * ${noise} + ${bias})`;
    const y = `${f32Literal(gain)} * max(${t}, ${f32Literal(slope)} * ${t})`;
    return limit === Infinity ? y : `clamp(${y}, ${f32Literal(-limit)}, ${f32Literal(limit)})`;
  },
  scalar({ x, scale, noise, strength, bias }, { slope, gain, limit }) {
    const t = scale * x + strength * noise + bias;
    return Math.max(-limit, Math.min(limit, gain * Math.max(t, slope * t)));
  },
  vjp(gy, { scale, noise, strength, bias, out: y }, attrs) {
    const g = clampedLreluGrad({ gy, y }, attrs);
    const gx = mul(g, scale);
    const scaled = sub(sub(lreluInverse({ y }, attrs), mul(noise, strength)), bias);
    if (isPerPlane(y, { scale, strength, bias })) {
      // What is summed over planes takes one pass over them, and that over gx: so g is not stored.
      // Noise that is the same everywhere is a factor of the sum, and need not be stretched for it.
      const isEven = numel(noise.shape) === 1;
      const [ofBias, ofScale, ofNoise] = productSums(
        gx,
        scaled,
        isEven ? scaled : expand(noise, y.shape),
      )
        .map((total) => div(total, scale)) as [Tensor, Tensor, Tensor];
      const ofStrength = isEven ? mul(sum(ofBias), reshape(noise, [])) : sum(ofNoise);
      return {
        x: gx,
        scale: div(ofScale, scale),
        noise: mul(g, strength),
        strength: reshape(ofStrength, strength.shape),
        bias: ofBias,
      };
    }
    return {
      x: gx,
      // Σ g x = (Σ g scale x) / scale, so one division for each scale is enough.
      scale: div(fitCotangent(mul(g, scaled), scale.shape), scale),
      noise: mul(g, strength),
      strength: mul(g, noise),
      bias: g,
    };
  },
  samples: [
    {
      inputs: {
        x: [2, 3, 5, 7],
        scale: [2, 3, 1, 1],
        noise: [2, 1, 5, 7],
        strength: [1],
        bias: [3, 1, 1],
      },
      attrs: { slope: 0.2, gain: Math.SQRT2, limit: Infinity },
      fill: { scale: (_, random) => 0.5 + 2 * random() },
    },
    {
      inputs: { x: [2, 3, 4, 5], scale: [2, 3, 1, 1], noise: [], strength: [1], bias: [3, 1, 1] },
      attrs: { slope: 0.2, gain: Math.SQRT2, limit: Infinity },
      fill: { scale: (_, random) => 0.5 + 2 * random() },
    },
    {
      inputs: { x: [3, 1, 9], scale: [5, 9], noise: [], strength: [], bias: [] },
      attrs: { slope: 0.01, gain: 1, limit: 1.2 },
      fill: { scale: (_, random) => 0.5 + 2 * random() },
    },
  ],
});
