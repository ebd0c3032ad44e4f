/** Latents from seeds. A seed means here what it means everywhere in StyleGAN. */
import { UserError } from "../../lib/errors.ts";
import { RandomState } from "../../lib/random/numpy.ts";

/** More seeds than anybody asks for on purpose. */
const MAX_SEEDS = 100_000;

/** `z` `[zSize]` of a seed: `numpy.random.RandomState(seed).randn(1, zSize)` in float32. */
export function latentFromSeed(seed: number, zSize: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(new RandomState(seed).randn(zSize));
}

/** `z` `[seeds, zSize]`, one row a seed. */
export function latentsFromSeeds(
  seeds: readonly number[],
  zSize: number,
): Float32Array<ArrayBuffer> {
  const z = new Float32Array(seeds.length * zSize);
  seeds.forEach((seed, i) => z.set(latentFromSeed(seed, zSize), i * zSize));
  return z;
}

/**
 * Row by row, the point that lies `by` of the way along the arc from `from` to `to`, both
 * `[rows, zSize]`: `sin((1 - t) a) / sin(a) from + sin(t a) / sin(a) to` with the angle `a` between
 * them (Shoemake, SIGGRAPH 1985). On the way a latent keeps about the length of those that the
 * generator knows. `by` has one value, from 0 to 1, for each row.
 */
export function latentsBetween(
  from: Float32Array,
  to: Float32Array,
  by: readonly number[],
  zSize: number,
): Float32Array<ArrayBuffer> {
  const z = new Float32Array(from.length);
  by.forEach((t, row) => {
    const at = row * zSize;
    const [a, b] = [from.subarray(at, at + zSize), to.subarray(at, at + zSize)];
    const angle = Math.acos(
      Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))),
    );
    // Of vectors that point the same way, or opposite ways, no arc is the shortest.
    const isArc = Math.sin(angle) > 1e-6;
    const [left, right] = isArc
      ? [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)]
      : [1 - t, t];
    a.forEach((value, i) => z[at + i] = left * value + right * b[i]!);
  });
  return z;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/**
 * Seeds from text such as "0-15" or "1,5,9-12", in the order given. Throws a UserError for anything
 * but whole numbers from 0 to 4294967295 and ranges of them.
 */
export function parseSeeds(text: string): number[] {
  const refuse = (reason: string): never => {
    throw new UserError(
      `Cannot read seeds from "${text}": ${reason}; write whole numbers and ranges, as in ` +
        `"0-15" or "1,5,9-12"`,
    );
  };
  const seeds: number[] = [];
  for (const part of text.split(",").map((part) => part.trim())) {
    const [, first, last = first] = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(part) ??
      refuse(part === "" ? "a seed is missing" : `"${part}" is neither a number nor a range`);
    const [from, to] = [Number(first), Number(last)];
    if (to >= 2 ** 32 || from >= 2 ** 32) refuse(`"${part}" goes beyond 4294967295`);
    if (to < from) refuse(`"${part}" runs backwards`);
    if (seeds.length + to - from >= MAX_SEEDS) refuse(`these are more than ${MAX_SEEDS} seeds`);
    for (let seed = from; seed <= to; seed++) seeds.push(seed);
  }
  return seeds;
}
