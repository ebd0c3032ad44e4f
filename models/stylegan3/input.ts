/**
 * The input of the synthesis network: waves over the plane, moved and turned as w says, so that all
 * that follows moves and turns with them.
 */
import {
  add,
  concat,
  div,
  matmul,
  mul,
  neg,
  relu,
  reshape,
  sinTurns,
  slice,
  sqrt,
  square,
  sub,
  sum,
} from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Parameters } from "../generator/generator.ts";
import { linear } from "../generator/mapping.ts";
import type { Architecture } from "./architecture.ts";

/** w `[n, wSize]` → `[n, channels, size, size]`. */
export function fourierFeatures(
  p: Parameters,
  { input: { channels, size, rate, bandwidth } }: Architecture,
  w: Tensor,
): Tensor {
  const { n } = dims(w, "n w");
  const { turn, offset } = motion(p, w);
  const own = p["synthesis.input.freqs"]!; // [channels, 2]
  const [phases, freqs] = [
    add(p["synthesis.input.phases"]!, reshape(matmul({ a: own, b: offset }, {}), [n, channels])),
    matmul({ a: own, b: turn }, {}), // [n, channels, 2]
  ];

  // From 1 at the bandwidth to 0 at half the rate, beyond which the grid cannot hold a wave.
  const length = sqrt(sum(square(freqs), [2])); // [n, channels]
  const fading = mul(sub(length, bandwidth), 1 / (rate / 2 - bandwidth));
  const amplitudes = sub(1, sub(relu(fading), relu(sub(fading, 1))));

  const turns = matmul({ a: freqs, b: grid(size, rate) }, {}); // [n, channels, size * size]
  const waves = mul(
    sinTurns(add(turns, reshape(phases, [n, channels, 1]))),
    reshape(amplitudes, [n, channels, 1]),
  );
  const weight = mul(p["synthesis.input.weight"]!, 1 / Math.sqrt(channels));
  return reshape(matmul({ a: weight, b: waves }, {}), [n, channels, size, size]);
}

/**
 * The motion of the plane: what w says after what the user says. A turn `[n, 2, 2]` and an offset
 * `[n, 2, 1]` in sides of the image.
 */
function motion(p: Parameters, w: Tensor): { turn: Tensor; offset: Tensor } {
  const { n } = dims(w, "n w");
  const t = linear(p, "synthesis.input.affine", w); // [n, 4]: cosine, sine, x, y
  const unit = div(t, sqrt(sum(square(slice(t, [0, 0], [n, 2])), [1], true)));
  const part = (k: number) => reshape(slice(unit, [0, k], [n, 1]), [n, 1, 1]);
  const [cosine, sine] = [part(0), part(1)];
  const turn = concat([
    concat([cosine, neg(sine)], 2),
    concat([sine, cosine], 2),
  ], 1); // [n, 2, 2]
  const offset = neg(concat([part(2), part(3)], 1)); // [n, 2, 1]

  const user = p["synthesis.input.transform"]!; // [3, 3]
  const block = (from: number, columns: number) => slice(user, [0, from], [2, columns]);
  return {
    turn: matmul({ a: turn, b: block(0, 2) }, {}),
    offset: matmul({ a: turn, b: add(offset, block(2, 1)) }, {}),
  };
}

/** Places of the samples, `[2, size * size]`, in sides of the image from its middle. */
function grid(size: number, rate: number): Tensor {
  const place = (k: number) => (k + 0.5 - size / 2) / rate;
  const count = size * size;
  const places = Float32Array.from(
    { length: 2 * count },
    (_, i) => place(i < count ? i % size : Math.floor((i - count) / size)),
  );
  return constant(places, [2, count]);
}
