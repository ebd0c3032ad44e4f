import assert from "node:assert/strict";
import type { Gpu } from "../../../../lib/gpu/device.ts";
import { grad } from "../../../../lib/graph/grad.ts";
import { concat, slice } from "../../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../../lib/graph/plan.ts";
import { constant, input, type Tensor } from "../../../../lib/graph/tensor.ts";
import { Clip, imageTower, openClipFile } from "../../../../models/clip/mod.ts";
import {
  checkLossWeights,
  DIRECTION_ONLY,
  directionalLoss,
  LOSS_PARTS,
  type LossSpec,
  lossState,
  type LossWeights,
  textTargets,
  totalLoss,
} from "../../../../models/nada/losses/mod.ts";
import { evaluate, testGpu } from "../../../gpu.ts";
import { temporaryFolder } from "../../../temporary.ts";
import { tinyResNetTensors, tinyTensors, writeTiny } from "../../clip/tiny.ts";

const ALL: LossWeights = { direction: 1, global: 1, patch: 1, manifold: 1, texture: 1 };

/** Leaves for two images of 8x8 with one patch each. */
const leaves = () => ({
  frozen: input("frozen", [2, 3, 8, 8]),
  adapted: input("adapted", [2, 3, 8, 8]),
  corners: input("corners", [2, 2], "u32"),
});

/** The kernels that a training step for the loss would launch. */
function launches({ kind, limits }: Gpu, loss: Tensor, adapted: Tensor): string[] {
  const [gradient] = grad(loss, [adapted]);
  const plan = planProgram({ outputs: { loss, gradient: gradient! } }, kind, limits);
  return plan.launches.map(({ label }) => label.split("[")[0]!);
}

Deno.test("totalLoss() builds nothing for parts and CLIP models whose weight is 0", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const path = await writeTiny(folder.file("clip.safetensors"));
  const [clip, idle] = [await Clip.open(gpu, path), await Clip.open(gpu, path)];
  const targets = await textTargets(
    clip,
    { source: "a", target: "b", templates: ["{}"] },
    DIRECTION_ONLY,
  );
  assert.deepEqual(Object.keys(targets), ["direction"]);
  const spec: LossSpec = {
    weights: DIRECTION_ONLY,
    judges: [{ clip, weight: 1, targets }, { clip: idle, weight: 0, targets: {} }],
    distance: "cosine",
    resize: "bicubic",
    textureClip: idle,
  };
  const { frozen, adapted, corners } = leaves();
  const { total, parts } = totalLoss({ frozen, adapted, corners }, spec);
  assert.deepEqual([...parts.keys()], ["direction"]);
  const both = clip.imageFeatures(concat([frozen, adapted], 0));
  const [n, d] = [2, both.shape[1]!];
  const alone = directionalLoss(
    slice(both, [0, 0], [n, d]),
    slice(both, [n, 0], [n, d]),
    constant(targets.direction!, [1, targets.direction!.length]),
  );
  assert.deepEqual(launches(gpu, total, adapted), launches(gpu, alone, adapted));

  const before = gpu.allocated.bytes;
  const texture = { ...DIRECTION_ONLY, direction: 0, texture: 1 };
  await lossState({ ...spec, judges: [spec.judges[1]!] });
  await lossState({ ...spec, weights: texture, textureClip: null });
  assert.equal(gpu.allocated.bytes, before, "weights that no part needs were uploaded");
  clip.dispose();
  idle.dispose();
});

Deno.test("totalLoss() takes no gradient of the frozen generator's images", async () => {
  using folder = temporaryFolder();
  const { kind, limits } = await testGpu();
  for (const tensors of [tinyTensors(), tinyResNetTensors()]) {
    using file = await openClipFile(await writeTiny(folder.file("clip.safetensors"), tensors));
    const tower = imageTower(file);
    const { frozen, adapted, corners } = leaves();
    const direction = new Float32Array(file.architecture.features).fill(0.1);
    const operations = (loss: Tensor) => {
      const outputs = { gradient: grad(loss, [adapted])[0]! };
      const { launches } = planProgram({ outputs }, kind, limits);
      return launches.reduce((sum, { operations }) => sum + operations, 0);
    };
    const { total } = totalLoss({ frozen, adapted, corners }, {
      weights: DIRECTION_ONLY,
      judges: [{ clip: tower, weight: 1, targets: { direction } }],
      distance: "cosine",
      resize: "bicubic",
      textureClip: null,
    });
    const [before, after] = [frozen, adapted].map((image) => tower.imageFeatures(image));
    const apart = directionalLoss(before!, after!, constant(direction, [1, direction.length]));
    // Joining and parting the batch comes on top; the frozen images' gradient would be a third.
    assert(
      operations(total) < 1.1 * operations(apart),
      `${operations(total)}, ${operations(apart)}`,
    );
  }
});

Deno.test("totalLoss() passes each image through CLIP once for the parts that compare whole images", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const texts = { source: "a", target: "b", templates: ["{}"] };
  const products = async (weights: LossWeights) => {
    const targets = await textTargets(clip, texts, weights);
    const judges = [{ clip, weight: 1, targets }];
    const { frozen, adapted, corners } = leaves();
    const { total } = totalLoss({ frozen, adapted, corners }, {
      weights,
      judges,
      distance: "cosine",
      resize: "bicubic",
      textureClip: null,
    });
    return launches(gpu, total, adapted).filter((label) => label.startsWith("matmul")).length;
  };
  const one = await products(DIRECTION_ONLY);
  assert.equal(await products({ ...DIRECTION_ONLY, manifold: 1 }), one);
  // The text's own product with the features, and its gradient.
  assert.equal(await products({ ...DIRECTION_ONLY, global: 1 }), one + 2);
  clip.dispose();
});

Deno.test("totalLoss() of equal images is finite in every part, with its gradient", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const texts = { source: "a", target: "b", templates: ["{}"], partTemplates: ["{}", "c {}"] };
  const targets = await textTargets(clip, texts, ALL);
  const judges = [{ clip, weight: 2, targets }, { clip, weight: -0.5, targets }];
  const images = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => Math.sin(i));
  for (const distance of ["cosine", "mse", "mae"] as const) {
    const { frozen, adapted, corners } = leaves();
    const spec: LossSpec = { weights: ALL, judges, distance, resize: "bicubic", textureClip: clip };
    const { total, parts } = totalLoss({ frozen, adapted, corners }, spec);
    assert.deepEqual([...parts.keys()], [...LOSS_PARTS]);
    const [gradient] = grad(total, [adapted]);
    const outputs: Record<string, Tensor> = {
      ...Object.fromEntries(parts),
      total,
      gradient: gradient!,
    };
    const actual = await evaluate(
      outputs,
      { frozen: images, adapted: images, corners: Uint32Array.of(0, 3, 3, 1) },
      await lossState(spec),
    );
    for (const [name, values] of Object.entries(actual)) {
      assert.ok(values.every(Number.isFinite), `${name} is not finite by ${distance}`);
    }
    const sum = parts.keys().reduce((sum, part) => sum + actual[part]![0]!, 0);
    assert.ok(Math.abs(sum - actual.total![0]!) < 1e-6 * Math.abs(sum) + 1e-6);
  }
  clip.dispose();
});

Deno.test("textTargets() refuses texts that CLIP sees no difference between", async () => {
  using folder = temporaryFolder();
  const clip = await Clip.open(await testGpu(), await writeTiny(folder.file("clip.safetensors")));
  for (const weights of [DIRECTION_ONLY, { ...DIRECTION_ONLY, direction: 0, patch: 1 }]) {
    await assert.rejects(
      textTargets(
        clip,
        { source: "a", target: "a", templates: ["{}"], partTemplates: ["{}"] },
        weights,
      ),
      /Cannot adapt from "a" to "a": CLIP gives both texts the same features/,
    );
  }
  clip.dispose();
});

Deno.test("checkLossWeights() and totalLoss() refuse a loss of nothing", () => {
  checkLossWeights({ ...DIRECTION_ONLY, manifold: -1 });
  assert.throws(
    () => checkLossWeights({ ...DIRECTION_ONLY, patch: NaN }),
    /Cannot weigh the patch loss by NaN/,
  );
  assert.throws(
    () => checkLossWeights({ ...DIRECTION_ONLY, direction: 0 }),
    /the weights of all its parts are 0/,
  );
  const spec = {
    weights: DIRECTION_ONLY,
    judges: [],
    resize: "bicubic",
    textureClip: null,
  } as const;
  assert.throws(
    () => totalLoss(leaves(), { ...spec, distance: "cosine" }),
    /Cannot train without a CLIP model/,
  );
});
