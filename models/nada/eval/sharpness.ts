/** How sharp a picture is: variance of its Laplacian. */
import type { RgbImage } from "../../../lib/image/mod.ts";

/**
 * Variance of `up + down + left + right - 4 centre` over the grey values, 0 to 255, mirrored at the
 * borders: a smooth picture has little, one of lines or noise much. It can be compared only between
 * pictures of one size, which is at least 2x2.
 */
export function laplacianVariance({ width, height, data }: RgbImage): number {
  const grey = new Float64Array(width * height);
  for (let p = 0; p < grey.length; p++) {
    grey[p] = 0.299 * data[3 * p]! + 0.587 * data[3 * p + 1]! + 0.114 * data[3 * p + 2]!;
  }
  // Beyond a border comes the second row or column again: the border itself is no edge.
  const mirrored = (at: number, size: number) => at < 0 ? 1 : at === size ? size - 2 : at;
  let [sum, squares] = [0, 0];
  for (let y = 0; y < height; y++) {
    const [above, below] = [mirrored(y - 1, height) * width, mirrored(y + 1, height) * width];
    for (let x = 0; x < width; x++) {
      const [left, right] = [mirrored(x - 1, width), mirrored(x + 1, width)];
      const row = y * width;
      const value = grey[above + x]! + grey[below + x]! + grey[row + left]! + grey[row + right]! -
        4 * grey[row + x]!;
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / grey.length;
  return squares / grey.length - mean * mean;
}
