import assert from "node:assert/strict";
import { Adaptations } from "../../../../models/demo/train/adaptations.ts";
import {
  CLASS_COUNTS,
  placeLength,
  stylePlaces,
  wantedFeature,
  waysOf,
} from "../../../../models/demo/train/codes.ts";
import { StepRandom } from "../../../../models/demo/train/random.ts";
import { drawLayers, drawPlanes, OTHERS } from "../../../../models/demo/train/scenes.ts";
import { batchInputs, GROUP } from "../../../../models/demo/train/style_space.ts";
import { cutVocabulary, Texts } from "../../../../models/demo/train/texts.ts";
import { dot, plus, shortestSolution } from "../../../../models/demo/train/vectors.ts";
import {
  caption,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_NAMES,
  truth,
} from "../../../../models/demo/world/mod.ts";
import { assertClose } from "../../../assert.ts";
import { tinyStyles } from "./tiny.ts";

const SIDE = 16;

Deno.test("StepRandom is the same for a seed and step, and another for others", () => {
  const first = (seed: number, step: number) => new StepRandom(seed, step).normals(3);
  assert.deepEqual(first(1, 5), first(1, 5));
  assert.notDeepEqual(first(1, 5), first(1, 6));
  assert.notDeepEqual(first(1, 5), first(2, 5));
  const some = new StepRandom(1, 1).some([1, 2, 3, 4, 5], 5);
  assert.deepEqual(some.toSorted(), [1, 2, 3, 4, 5]);
});

Deno.test("drawPlanes() gives the true picture in [-1, 1], and its means at smaller sides", () => {
  const z = new StepRandom(1, 0).normals(64);
  const full = truth(z, "photo").data;
  assertClose(drawPlanes(drawLayers(z), "photo", 64), full.map((v) => 2 * v - 1), 1e-6);
  const small = drawPlanes(drawLayers(z), "photo", SIDE);
  let mean = 0;
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 4; x++) mean += full[64 * 64 + (20 + y) * 64 + 8 + x]! / 16;
  }
  assert.ok(Math.abs(small[SIDE * SIDE + 5 * SIDE + 2]! - (2 * mean - 1)) < 1e-5);
});

Deno.test("batchInputs() feeds groups of one style on paths, and each picture's true one", () => {
  const generator = tinyStyles();
  const groups = { paths: 2, met: 2, blends: 1 };
  const { inputs, styles } = batchInputs(new StepRandom(1, 1), generator, groups, [3, 6]);
  assert.equal(styles.length, 5 * GROUP);
  for (let group = 0; group < 4; group++) {
    assert.equal(new Set(styles.slice(GROUP * group, GROUP * (group + 1))).size, 1);
  }
  assert.deepEqual([styles[2 * GROUP], styles[3 * GROUP]], [3, 6]);
  const picture = 3 * SIDE * SIDE;
  const z = inputs["met z"] as Float32Array<ArrayBuffer>;
  const last = z.subarray((2 * GROUP - 1) * LATENT_SIZE);
  assert.deepEqual(
    inputs.truths!.slice((4 * GROUP - 1) * picture, 4 * GROUP * picture),
    drawPlanes(drawLayers(last), OTHERS[6]!, SIDE),
  );
  assert.deepEqual(inputs.blended, inputs.truths!.slice(4 * GROUP * picture));
  const met = inputs.met as Float32Array;
  assert.equal(met.length, 2 * GROUP * OTHERS.length);
  assert.deepEqual([met[3], met[GROUP * OTHERS.length + 6], dot(met, met)], [1, 1, 2 * GROUP]);
  for (const [name, { shape }] of generator.shifts) {
    const width = shape[1]!;
    const at = inputs[`at ${name}`] as Float32Array;
    assert.equal(at.length, 2 * GROUP * width);
    assert.deepEqual(at.slice(0, width), at.slice(width, 2 * width));
  }
});

Deno.test("Adaptations stand still first, then go in turn and start afresh, the same for a seed", () => {
  const settings = { count: 3, since: 5, seed: 2 };
  const adaptations = new Adaptations(tinyStyles(), settings);
  const at = (step: number) =>
    adaptations.inputs(step) as Record<string, Float32Array<ArrayBuffer>>;
  assert.deepEqual(at(4)["run rate"], new Float32Array(OTHERS.length));
  assert.deepEqual(adaptations.stylesAt(5), [1, 2, 3]);
  assert.deepEqual(Array.from(at(5).runs!), [0, 1, 1, 1, 0, 0, 0]);
  const rates = new Set<number>();
  let ends = 0;
  for (let step = 5; step < 500; step++) {
    rates.add(at(step)["run rate"]![0]!);
    if (at(step)["goes on"]![0] === 0) ends++;
  }
  // A style's turn comes in three of seven steps: runs of 40 to 140 turns in 212.
  assert.ok(ends >= 1 && ends <= 5, `${ends}`);
  rates.delete(0);
  assert.equal(rates.size, ends + 1);
  for (const rate of rates) assert.ok(rate >= 0.0109 && rate <= 0.0441, `${rate}`);
  const again = new Adaptations(tinyStyles(), settings);
  assert.deepEqual(again.inputs(321), adaptations.inputs(321));
});

Deno.test("wantedFeature() is near the place of the style, and apart for an attribute's classes", () => {
  const features = 48;
  const places = stylePlaces(new StepRandom(1, -4), features);
  const { directions, basis } = waysOf(places);
  assert.equal(basis.length, STYLE_NAMES.length - 1);
  for (const direction of directions) {
    const rest = basis.reduce((left, way) => plus(left, -dot(left, way), way), direction);
    assert.ok(dot(rest, rest) < 1e-12);
  }
  const neon = wantedFeature({ style: "neon", classes: {} }, places, features);
  const place = neon.subarray(0, placeLength(features));
  assertClose(place, places[STYLE_NAMES.indexOf("neon")]!, 1e-12);
  const smiling = [0, 1].map((smile) =>
    wantedFeature({ style: null, classes: { smile } }, places, features)
  );
  assert.ok(Math.abs(dot(smiling[0]!, smiling[1]!) + 1) < 1e-12);
  const shirts = CLASS_COUNTS[12]!;
  const colours = Array.from(
    { length: shirts },
    (_, shirt) => wantedFeature({ style: null, classes: { shirt } }, places, features),
  );
  assert.ok(Math.abs(dot(colours[0]!, colours[1]!) + 1 / (shirts - 1)) < 1e-12);
});

Deno.test("shortestSolution() solves for all columns, within their span", () => {
  // The third is the sum of the others.
  const columns = [[1, 2, 0, 1], [0, 1, -1, 3], [1, 3, -1, 4]].map((column) =>
    Float64Array.from(column)
  );
  const x = shortestSolution(columns, [3, -2, 1]);
  assertClose(columns.map((column) => dot(column, x)), [3, -2, 1], 1e-8);
  // At right angles to both columns.
  assert.ok(Math.abs(dot(x, [-2, 1, 1, 0])) < 1e-8 && Math.abs(dot(x, [5, -3, 0, 1])) < 1e-8);
});

Deno.test("Texts marks where each text ends, for captions in every style", () => {
  const vocabulary = cutVocabulary();
  const context = 32;
  const texts = new Texts(vocabulary, context);
  for (let step = 0; step < 20; step++) {
    const random = new StepRandom(2, step);
    const scene = sceneFromLatent(random.normals(LATENT_SIZE));
    const all = STYLE_NAMES.map((style) => caption(scene, style, random.uniform).text);
    const { ids, end } = texts.batch(all);
    all.forEach((text, i) => {
      const row = Array.from(ids.subarray(i * context, (i + 1) * context));
      const at = end.subarray(i * context, (i + 1) * context).indexOf(1);
      assert.equal(row[0], vocabulary.length, text);
      assert.equal(row[at], vocabulary.length + 1, text);
      assert.ok(row.slice(at + 1).every((id) => id === 0), text);
    });
  }
});
