/** How far a picture is from the true one. */
import { abs, add, mean, mul, slice, square, sub, upfirdn2d } from "../../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../../lib/graph/tensor.ts";

/** Distances of the pixels whose differences are compared, and what these count. */
const OFFSETS = [1, 3];
const EDGES = 0.25;

/**
 * L1 + 2 L2, the face weighted up to three times, + a quarter of the L1 of pixel differences to the
 * right and below. Both `[n, 3, side, side]` → `[]`.
 */
export function pictureLoss(image: Tensor, truth: Tensor): Tensor {
  const { n, c, side } = dims(image, "n c side columns");
  const error = sub(image, truth);
  const weight = constant(importance(side), [side, side]);
  const edges = OFFSETS.flatMap((offset) => {
    const size = side - offset;
    return [[n, c, side, size], [n, c, size, side]].map((shape) => {
      const start = shape.map((length) => length === size ? offset : 0);
      const pair = sub(slice(error, start, shape), slice(error, [0, 0, 0, 0], shape));
      return mul(mean(abs(pair)), EDGES);
    });
  });
  const absolute = mean(mul(abs(error), weight));
  const squared = mean(mul(square(error), weight));
  return [absolute, mul(squared, 2), ...edges].reduce(add);
}

/**
 * How different the amounts of fine and of less fine detail around each point are, in brightness:
 * texture that is off by a pixel is better than none, which an L1 would prefer. `[n, 3, h, w]` → `[]`.
 */
export function textureLoss(image: Tensor, truth: Tensor): Tensor {
  const [ours, theirs] = [image, truth].map((x) => {
    const grey = mean(x, [1], true);
    return [grey, boxFiltered(grey, 2, { down: 2 })].map((y) => {
      const high = sub(y, boxFiltered(y, 3, { pad: 1 }));
      return boxFiltered(abs(high), 5, { down: 2 });
    });
  });
  return ours!.map((energy, i) => mean(abs(sub(energy, theirs![i]!)))).reduce(add);
}

/** Means over squares of `size` pixels, zeros beyond the border. */
function boxFiltered(x: Tensor, size: number, { down = 1, pad = 0 }): Tensor {
  const f = constant(new Float32Array(size ** 2).fill(1 / size ** 2), [size, size]);
  return upfirdn2d({ x, f }, { up: 1, down, pad: [pad, pad, pad, pad] });
}

/** `[side, side]` with mean 1: the face counts more than the background around it. */
function importance(side: number): Float32Array<ArrayBuffer> {
  const weights = Float32Array.from({ length: side * side }, (_, i) => {
    const x = (i % side + 0.5) / side - 0.5;
    const y = (Math.floor(i / side) + 0.5) / side - 0.53;
    return 1 + 2 * Math.exp(-(x * x + y * y) / 0.24 ** 2);
  });
  const average = weights.reduce((sum, value) => sum + value, 0) / weights.length;
  return weights.map((value) => value / average);
}
