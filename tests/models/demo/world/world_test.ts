import assert from "node:assert/strict";
import { ShapeError } from "../../../../lib/errors.ts";
import { RandomState } from "../../../../lib/random/numpy.ts";
import {
  ATTRIBUTES,
  drawFace,
  gaussianQuantile,
  LATENT_SIZE,
  presence,
  type Scene,
  sceneFromLatent,
  SHARES,
  STYLE_NAMES,
  type StyleName,
  STYLES,
  truth,
} from "../../../../models/demo/world/mod.ts";

const MIDDLE = Object.fromEntries(ATTRIBUTES.map((name) => [name, 0.5])) as Scene;

function latents(count: number, seed = 5): Float64Array[] {
  const stream = new RandomState(seed);
  return Array.from({ length: count }, () => stream.randn(LATENT_SIZE));
}

/** Root mean square of the difference of two pictures' values. */
function distance(a: Float32Array, b: Float32Array): number {
  const total = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
  return Math.sqrt(total / a.length);
}

Deno.test("sceneFromLatent() makes every attribute uniform and independent of the others", () => {
  const count = 4000;
  const scenes = latents(count).map(sceneFromLatent);
  const columns = ATTRIBUTES.map((name) => scenes.map((scene) => scene[name] - 0.5));
  columns.forEach((a, i) => {
    columns.slice(i).forEach((b, k) => {
      const covariance = a.reduce((sum, value, n) => sum + value * b[n]!, 0) / count;
      // A uniform quantile has the variance 1/12; four deviations of the mean of 4000 products.
      assert.ok(Math.abs(covariance - (k === 0 ? 1 / 12 : 0)) < 4 / 12 / Math.sqrt(count));
    });
  });
});

Deno.test("sceneFromLatent() takes only the direction of a latent", () => {
  const [z] = latents(1);
  const scene = sceneFromLatent(z!);
  const longer = sceneFromLatent(z!.map((value) => 3 * value));
  for (const name of ATTRIBUTES) assert.ok(Math.abs(scene[name] - longer[name]) < 1e-7);
});

Deno.test("sceneFromLatent() refuses a latent of another length", () => {
  assert.throws(() => sceneFromLatent(new Float32Array(512)), (error) => {
    return error instanceof ShapeError && /512 numbers: it takes 64/.test(error.message);
  });
});

Deno.test("gaussianQuantile() agrees with tabled values", () => {
  for (const [x, quantile] of [[0, 0.5], [1, 0.8413447], [-1.959964, 0.025], [3, 0.9986501]]) {
    assert.ok(Math.abs(gaussianQuantile(x!) - quantile!) < 2e-7);
  }
});

Deno.test("presence() is full for its share of scenes and goes over on a short ramp", () => {
  assert.equal(presence(0.9, 0.4), 1);
  assert.equal(presence(0.3, 0.4), 0);
  assert.ok(Math.abs(presence(0.6, 0.4) - 0.5) < 1e-9);
});

Deno.test("truth() is the same for the same latent, in [0, 1], in every style", () => {
  const [z] = latents(1);
  for (const style of STYLE_NAMES) {
    const { data } = truth(z!, style);
    assert.deepEqual(data, truth(z!, style).data);
    assert.equal(data.length, 3 * 64 * 64);
    assert.ok(data.every((value) => value >= 0 && value <= 1), style);
  }
});

Deno.test("drawFace() shows every attribute in the photo", () => {
  for (const name of ATTRIBUTES) {
    const low = STYLES.photo(drawFace({ ...MIDDLE, [name]: 0.1 })).data;
    const high = STYLES.photo(drawFace({ ...MIDDLE, [name]: 0.9 })).data;
    assert.ok(distance(low, high) > 0.01, name);
  }
});

Deno.test("drawFace() changes little where an attribute changes little", () => {
  for (const name of ATTRIBUTES) {
    const centre = name in SHARES ? 1 - SHARES[name as keyof typeof SHARES] : 0.5;
    const one = STYLES.photo(drawFace({ ...MIDDLE, [name]: centre })).data;
    const other = STYLES.photo(drawFace({ ...MIDDLE, [name]: centre + 0.002 })).data;
    assert.ok(distance(one, other) < 0.02, name);
  }
});

Deno.test("drawFace() draws the same scene at another resolution", () => {
  for (const style of ["photo", "neon", "stone"] satisfies StyleName[]) {
    const small = STYLES[style](drawFace(MIDDLE, 48)).data;
    const large = STYLES[style](drawFace(MIDDLE, 96)).data;
    const reduced = small.map((_, i) => {
      const [c, y, x] = [Math.floor(i / 48 ** 2), Math.floor(i / 48) % 48, i % 48];
      const at = (dy: number, dx: number) => large[c * 96 ** 2 + (2 * y + dy) * 96 + 2 * x + dx]!;
      return (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4;
    });
    assert.ok(distance(small, reduced) < 0.09, `${style} ${distance(small, reduced)}`);
  }
});

Deno.test("STYLES stand further apart than the scenes within each of them", () => {
  const scenes = latents(12).map((z) => drawFace(sceneFromLatent(z)));
  const mean = (style: StyleName) => {
    const sum = new Float32Array(3 * 64 * 64);
    for (const layers of scenes) {
      STYLES[style](layers).data.forEach((value, i) => sum[i]! += value / scenes.length);
    }
    return sum;
  };
  const means = STYLE_NAMES.map(mean);
  means.forEach((a, i) =>
    means.slice(i + 1).forEach((b, k) => {
      const names = `${STYLE_NAMES[i]} and ${STYLE_NAMES[i + 1 + k]}`;
      assert.ok(distance(a, b) > 0.05, `${names}: ${distance(a, b)}`);
    })
  );
});
