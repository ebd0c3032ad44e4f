import assert from "node:assert/strict";
import { grad } from "../../../../lib/graph/grad.ts";
import { Program } from "../../../../lib/graph/program.ts";
import { constant, input, type Tensor } from "../../../../lib/graph/tensor.ts";
import { unit } from "../../../../lib/graph/ops/mod.ts";
import { clipPart } from "../../../../models/demo/train/clip.ts";
import { contrastiveLoss, directionLoss } from "../../../../models/demo/train/contrastive.ts";
import { Optimiser } from "../../../../models/demo/train/optimiser.ts";
import { pictureLoss } from "../../../../models/demo/train/picture_loss.ts";
import { principalCoordinates } from "../../../../models/demo/train/principal.ts";
import { keptName, ofKind } from "../../../../models/demo/train/values.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../../gpu.ts";
import { assertClose } from "../../../assert.ts";
import { TINY_CLIP } from "./tiny.ts";

Deno.test("pictureLoss() is 0 for the true picture and counts errors on the face more", async () => {
  const side = 9;
  const image = input("image", [1, 3, side, side]);
  const loss = pictureLoss(image, constant(new Float32Array(3 * side * side), image.shape));
  const at = async (pixel: number) => {
    const data = new Float32Array(3 * side * side);
    if (pixel >= 0) data[pixel] = 1;
    return (await evaluate({ loss }, { image: data })).loss[0]!;
  };
  assert.equal(await at(-1), 0);
  const [centre, left] = [await at(4 * side + 4), await at(4 * side + 3)];
  const corner = await at(3 * side + 0);
  assert.ok(corner > 0 && left > corner && centre > left, `${centre} ${left} ${corner}`);
});

Deno.test("contrastiveLoss() is the cross entropy both ways, at any scale", async () => {
  const [n, d] = [5, 7];
  const random = seededRandom(1);
  const wanted = Float32Array.from({ length: n * n }, () => random());
  for (const scale of [1, 14, 100]) {
    const data = { a: normals(n * d, random), b: normals(n * d, random) };
    const a = unit(input("a", [n, d]));
    const b = unit(input("b", [n, d]));
    const both = { ofText: constant(wanted, [n, n]), ofPicture: constant(wanted, [n, n]) };
    const loss = contrastiveLoss(a, b, constant(scale), both);
    const actual = await evaluate({ loss, a, b }, data);
    const logit = (i: number, j: number) => {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += actual.a[i * d + k]! * actual.b[j * d + k]!;
      return scale * sum;
    };
    const line = (f: (k: number) => number) =>
      Math.log(Array.from({ length: n }, (_, k) => Math.exp(f(k))).reduce((s, x) => s + x));
    let expected = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const rows = logit(i, j) - line((k) => logit(i, k));
        const columns = logit(i, j) - line((k) => logit(k, j));
        expected -= wanted[i * n + j]! * (rows + columns) / (2 * n);
      }
    }
    assertClose(actual.loss, [expected], 1e-5);
  }
});

Deno.test("directionLoss() is 0 along the wanted directions, 2 against them, 1 for equal pictures", async () => {
  const [scenes, each, d] = [2, 3, 4];
  const wanted = unit(input("wanted", [scenes * (each - 1), d]));
  const pictures = input("pictures", [scenes * each, d]);
  const data = normals(scenes * (each - 1) * d, seededRandom(3));
  const losses: number[] = [];
  for (const step of [2, -0.5, 0]) {
    const rows = Array.from({ length: scenes }, (_, s) => [
      ...[1, 2, 3, 4].map((x) => x + s),
      ...Array.from(
        data.subarray(s * (each - 1) * d, (s + 1) * (each - 1) * d),
        (value, i) => [1, 2, 3, 4][i % d]! + s + step * value,
      ),
    ]).flat();
    const loss = directionLoss(pictures, wanted, each);
    const feeds = { wanted: data, pictures: Float32Array.from(rows) };
    losses.push((await evaluate({ loss }, feeds)).loss[0]!);
  }
  [0, 2, 1].forEach((expected, i) =>
    assert.ok(Math.abs(losses[i]! - expected) < 1e-5, `${losses}`)
  );
});

Deno.test("alignmentLosses() have the gradient that differences say, through the gradient inside", async () => {
  const gpu = await testGpu();
  const part = clipPart({ steps: 40, batch: 1, seed: 2 }, TINY_CLIP);
  const { problem, inputs } = await part.stages[1]!.open(gpu);
  const { loss } = problem.terms[1]!;
  const start = part.start();
  const block = "visual.transformer.resblocks.0";
  const names = [
    "visual.conv1.weight",
    "visual.class_embedding",
    "visual.ln_pre.weight",
    `${block}.attn.in_proj_weight`,
    `${block}.attn.out_proj.weight`,
    `${block}.mlp.c_fc.weight`,
  ];
  const leaves: Record<string, Tensor> = Object.assign({}, ...problem.groups.map((g) => g.leaves));
  const gradients = grad(loss, names.map((name) => leaves[name]!));
  using optimiser = await Optimiser.create(gpu, problem, start);
  const program = await Program.compile(gpu, {
    outputs: { loss, ...Object.fromEntries(names.map((name, i) => [name, gradients[i]!])) },
    state: Object.fromEntries(optimiser.states),
  });
  // The plain score: for the directional one the photos' features move with the weights as well,
  // which differences see and the gradient leaves out on purpose.
  const feeds = { ...inputs(0), "use plain": Float32Array.of(1) };
  const exact = await program.run(feeds, { read: names });
  const random = seededRandom(4);
  for (const name of names) {
    const { data } = ofKind(start, "weight").get(name)!;
    const along = normals(data.length, random);
    // A hundredth of the weight: less, and float32 rounds the difference away.
    const step = 0.01 * Math.hypot(...data) / Math.hypot(...along);
    const weight = optimiser.states.get(keptName("weight", name))!;
    const at = async (h: number) => {
      weight.write(data.map((value, k) => value + h * along[k]!));
      return (await program.run(feeds, { read: ["loss"] })).loss![0]!;
    };
    const numeric = (await at(step) - await at(-step)) / (2 * step);
    weight.write(data);
    const found = exact[name]!.reduce((sum, value, k) => sum + value * along[k]!, 0);
    assert.ok(
      Math.abs(found - numeric) < 0.01 * Math.abs(numeric),
      `${name}: ${found}, ${numeric}`,
    );
  }
  program.dispose();
});

Deno.test("principalCoordinates() finds the directions in which rows differ most", async () => {
  const [n, d] = [37, 11];
  const random = seededRandom(5);
  const [large, small] = [normals(n, random), normals(n, random)];
  const rows = Float32Array.from({ length: n * d }, (_, i) => {
    const [row, k] = [Math.floor(i / d), i % d];
    return 3 + (k === 2 ? 5 * large[row]! : 0) + (k === 7 ? small[row]! : 0);
  });
  const along = await principalCoordinates(await testGpu(), rows, { n, d, count: 2 });
  const energy = (k: number) => along.reduce((sum, v, i) => i % 2 === k ? sum + v * v : sum, 0);
  const spread = (x: Float32Array) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / n;
    return x.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  };
  assert.ok(Math.abs(energy(0) / (25 * spread(large)) - 1) < 0.01);
  assert.ok(Math.abs(energy(1) / spread(small) - 1) < 0.1);
});
