/** StyleGAN3's activation between its two filters. */
import { vjp } from "../../lib/graph/grad.ts";
import { filteredLrelu } from "../../lib/graph/ops/mod.ts";
import { state } from "../../lib/graph/tensor.ts";
import type { Case } from "../case.ts";

export function filterCases(large: boolean): Case[] {
  return [
    ...activation(64, 148, false),
    ...activation(64, 148, true),
    ...(large ? activation(81, 1044, false) : []),
  ];
}

/** `channels` maps at `size`, up and down by 2 with 12 taps, and the gradient. */
function activation(channels: number, size: number, radial: boolean): Case[] {
  const attrs = { up: 2, down: 2, slope: 0.2, gain: Math.SQRT2, limit: 256 };
  const x = state("x", [1, channels, size, size]);
  const gy = state("gy", x.shape);
  const filters = { up: state("up", [12]), down: state("down", radial ? [12, 12] : [12]) };
  const forward = () => filteredLrelu(x, filters, { ...attrs, pad: [11, 10] });
  const name = `lrelu${radial ? " radial" : ""} ${channels} at ${size}`;
  const outs = { forward, gradient: () => vjp(forward(), gy, [x])[0]! };
  return Object.entries(outs).map(([direction, out]) => ({
    name: `${name}: ${direction}`,
    program: () => ({ outputs: { out: out() } }),
    result: "out",
    clock: "device",
    peer: null,
  }));
}
