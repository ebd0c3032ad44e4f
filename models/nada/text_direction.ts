/** The direction from one text to another in CLIP's space. */

/**
 * The mean, over the templates, of normalised target minus normalised source features, normalised
 * (StyleGAN-NADA, section 4.1). One feature vector a template, in the same order for both texts.
 */
export function textDirection(
  source: readonly ArrayLike<number>[],
  target: readonly ArrayLike<number>[],
): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(source[0]!.length);
  source.forEach((features, row) => {
    const [from, to] = [normalised(features), normalised(target[row]!)];
    for (let k = 0; k < sum.length; k++) sum[k]! += to[k]! - from[k]!;
  });
  return Float32Array.from(normalised(sum));
}

function normalised(vector: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(vector);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}
