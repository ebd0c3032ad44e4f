import assert from "node:assert/strict";
import { grad } from "../../../../lib/graph/grad.ts";
import { DeviceTensor } from "../../../../lib/graph/device_tensor.ts";
import { mean } from "../../../../lib/graph/ops/mod.ts";
import { Program } from "../../../../lib/graph/program.ts";
import { Adaptations } from "../../../../models/demo/train/adaptations.ts";
import { joined, OTHERS } from "../../../../models/demo/train/scenes.ts";
import { GROUP } from "../../../../models/demo/train/style_space.ts";
import { constant, input, numel, type Tensor } from "../../../../lib/graph/tensor.ts";
import { clipPart } from "../../../../models/demo/train/clip.ts";
import { orthogonalised } from "../../../../models/demo/train/muon.ts";
import { Optimiser } from "../../../../models/demo/train/optimiser.ts";
import { pictureLoss, textureLoss } from "../../../../models/demo/train/picture_loss.ts";
import { principalCoordinates } from "../../../../models/demo/train/principal.ts";
import { keptName, ofKind } from "../../../../models/demo/train/values.ts";
import { contrastiveLoss } from "../../../../models/demo/train/text_tower.ts";
import { dot } from "../../../../models/demo/train/vectors.ts";
import { eigen } from "../../../../models/demo/eval/matrix.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../../gpu.ts";
import { TINY_CLIP, tinyStyles } from "./tiny.ts";

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

Deno.test("textureLoss() finds a texture at the wrong place better than none", async () => {
  const side = 16;
  const texture = (offset: number) =>
    Float32Array.from(
      { length: 3 * side * side },
      (_, i) => (i % side + Math.floor(i / side) + offset) % 2 - 0.5,
    );
  const image = input("image", [1, 3, side, side]);
  const loss = textureLoss(image, constant(texture(0), image.shape));
  const at = async (data: Float32Array<ArrayBuffer>) =>
    (await evaluate({ loss }, { image: data })).loss[0]!;
  assert.equal(await at(texture(0)), 0);
  const [moved, none] = [await at(texture(1)), await at(new Float32Array(3 * side * side))];
  assert.ok(moved < 0.2 * none, `${moved} ${none}`);
});

Deno.test("orthogonalised() brings all singular values near 1, whatever they were", async () => {
  for (const [rows, columns] of [[5, 3], [3, 7]] as const) {
    const matrix = input("matrix", [rows, columns]);
    const data = normals(rows * columns, seededRandom(6)).map((value) => 1e-4 * value);
    const { out } = await evaluate({ out: orthogonalised(matrix) }, { matrix: data });
    const rank = Math.min(rows, columns);
    const line = (i: number) =>
      Array.from(
        { length: rows * columns / rank },
        (_, k) => out[rows > columns ? k * columns + i : i * columns + k]!,
      );
    const gram = Float64Array.from(
      { length: rank * rank },
      (_, i) => dot(line(Math.floor(i / rank)), line(i % rank)),
    );
    for (const value of eigen(gram, rank).values) {
      assert.ok(value > 0.3 && value < 1.6, `${value}`);
    }
  }
});

Deno.test("the alignment has the gradient that differences say, through the gradient inside", async () => {
  const gpu = await testGpu();
  const settings = { steps: 40, batch: 3, seed: 2 };
  const part = clipPart(settings, () => Promise.resolve(tinyStyles()), TINY_CLIP);
  const start = part.start();
  const { problem, inputs } = await part.stages[0]!.open(gpu, start);
  const { loss } = problem;
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
  const feeds = inputs(0);
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

Deno.test("contrastiveLoss() is the cross entropy of pictures among captions and the reverse", async () => {
  const [n, d] = [5, 7];
  const random = seededRandom(7);
  const unitRows = () => {
    const rows = Array.from({ length: n }, () => normals(d, random));
    return rows.map((row) => row.map((value) => value / Math.hypot(...row)));
  };
  const [pictures, captions] = [unitRows(), unitRows()];
  const entropy = (from: Float32Array[], to: Float32Array[]) =>
    from.reduce((sum, row, i) => {
      const logits = to.map((other) => 100 * dot(row, other));
      const highest = Math.max(...logits);
      const total = logits.reduce((all, logit) => all + Math.exp(logit - highest), 0);
      return sum + (highest + Math.log(total) - logits[i]!) / n;
    }, 0);
  const tensor = (rows: Float32Array[]) => constant(joined(rows), [n, d]);
  const lossOf = async (a: Float32Array[], b: Float32Array[]) =>
    (await evaluate({ loss: contrastiveLoss(tensor(a), tensor(b)) }, {})).loss[0]!;
  const wanted = (entropy(pictures, captions) + entropy(captions, pictures)) / 2;
  assert.ok(Math.abs(await lossOf(pictures, captions) / wanted - 1) < 1e-5);
  assert.ok(await lossOf(pictures, pictures) < 1e-3 * wanted);
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

Deno.test("Adaptations follow the gradient of a score, those whose turn it is", async () => {
  const gpu = await testGpu();
  const generator = tinyStyles();
  const { zSize } = generator.architecture;
  const adaptations = new Adaptations(generator, { count: 1, since: 0, seed: 1 });
  const drawn = adaptations.draw(
    input("z", [GROUP, zSize]),
    input("picked", [GROUP, OTHERS.length]),
  );
  // Of brightness: the gradient is the same everywhere.
  const score = mean(drawn);
  const gradient = constant(new Float32Array(numel(drawn.shape)).fill(1), drawn.shape);
  const { shapes, updates } = adaptations.beside(drawn, gradient, GROUP);
  const state = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, new DeviceTensor(gpu, shape, name)]),
  );
  const program = await Program.compile(gpu, { outputs: { score }, updates, state });
  const [turn] = adaptations.stylesAt(3);
  const picked = new Float32Array(GROUP * OTHERS.length)
    .map((_, i) => i % OTHERS.length === turn ? 1 : 0);
  const feeds = { z: normals(GROUP * zSize, seededRandom(7)), picked, ...adaptations.inputs(3) };
  const scores: number[] = [];
  for (let step = 0; step < 3; step++) {
    scores.push((await program.run(feeds, { read: ["score"] })).score![0]!);
  }
  assert.ok(scores[0]! < scores[1]! && scores[1]! < scores[2]!, `${scores}`);
  const [name, [, width]] = Object.entries(shapes)[0]! as [string, [number, number]];
  const shift = await state[name]!.read();
  shift.forEach((value, i) => assert.equal(value !== 0, Math.floor(i / width) === turn));
  program.dispose();
  Object.values(state).forEach((tensor) => tensor.dispose());
});
