import assert from "node:assert/strict";
import { UserError } from "../../../lib/errors.ts";
import {
  latentFromSeed,
  latentsBetween,
  latentsFromSeeds,
  parseSeeds,
} from "../../../models/generator/latents.ts";

Deno.test("latentFromSeed() gives the numbers of numpy's RandomState(seed).randn", () => {
  assert.deepEqual(
    [...latentFromSeed(7, 5)],
    [
      1.690525703800356,
      -0.4659373705408328,
      0.0328201636785844,
      0.40751628299650783,
      -0.7889230286257389,
    ]
      .map(Math.fround),
  );
});

Deno.test("latentsFromSeeds() puts each seed's latent in a row", () => {
  const z = latentsFromSeeds([3, 4294967295], 7);
  assert.deepEqual([...z], [...latentFromSeed(3, 7), ...latentFromSeed(4294967295, 7)]);
});

Deno.test("latentsBetween() goes from one latent to the other along the arc, row by row", () => {
  const [from, to] = [latentsFromSeeds([1, 2, 3, 4], 512), latentsFromSeeds([5, 6, 7, 4], 512)];
  const z = latentsBetween(from, to, [0, 1, 0.5, 0.5], 512);
  const row = (all: Float32Array, i: number) => all.subarray(512 * i, 512 * (i + 1));
  assert.deepEqual(row(z, 0), row(from, 0));
  assert.deepEqual(row(z, 1), row(to, 1));
  const length = (values: Float32Array) => Math.hypot(...values);
  // Half of the arc between two of nearly the same length; the chord is 0.7 of it.
  const mean = (length(row(from, 2)) + length(row(to, 2))) / 2;
  assert.ok(Math.abs(length(row(z, 2)) / mean - 1) < 0.01, `${length(row(z, 2)) / mean}`);
  assert.deepEqual(row(z, 3), row(from, 3), "no way to go");
});

Deno.test("parseSeeds() reads numbers and ranges in the order given", () => {
  assert.deepEqual(parseSeeds("7"), [7]);
  assert.deepEqual(parseSeeds("0-3"), [0, 1, 2, 3]);
  assert.deepEqual(parseSeeds("5, 9 - 11,1,5"), [5, 9, 10, 11, 1, 5]);
  assert.deepEqual(parseSeeds("4294967294-4294967295"), [4294967294, 4294967295]);
});

Deno.test("parseSeeds() says what it cannot read and what it can", () => {
  const refused = (text: string, message: RegExp) =>
    assert.throws(
      () => parseSeeds(text),
      (error) => error instanceof UserError && message.test(error.message),
    );
  refused("1,x", /^Cannot read seeds from "1,x": "x" is neither .* as in "0-15" or "1,5,9-12"$/);
  refused("", /a seed is missing/);
  refused("1,,2", /a seed is missing/);
  refused("-1", /"-1" is neither a number nor a range/);
  refused("1.5", /"1\.5" is neither/);
  refused("9-3", /"9-3" runs backwards/);
  refused("4294967296", /goes beyond 4294967295/);
  refused("0-4294967295", /more than 100000 seeds/);
});
