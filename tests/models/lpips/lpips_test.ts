import assert from "node:assert/strict";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError, UserError } from "../../../lib/errors.ts";
import { Lpips, readLpips } from "../../../models/lpips/mod.ts";
import { assertClose } from "../../assert.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { buildTorch, storage, tensor } from "../../lib/checkpoint/build_torch.ts";
import { orderedDict } from "../../lib/checkpoint/build_pickle.ts";
import { madeUpLpips, noiseImage, referenceLpips } from "./made_up.ts";

type Tensors = ReturnType<typeof madeUpLpips>;

async function written(path: string, tensors: Tensors): Promise<string> {
  await writeSafetensors(path, tensors);
  return path;
}

/** f32 against f64 through thirteen convolutions at most. */
const TOLERANCE = 1e-5;

for (const [net, side] of [["alex", 35], ["vgg", 19]] as const) {
  Deno.test(`Lpips gives the distances of the formulas with ${net}`, async () => {
    using folder = temporaryFolder();
    const tensors = madeUpLpips(net);
    const gpu = await testGpu();
    const before = { ...gpu.allocated };
    const weights = await readLpips([await written(folder.file("l.safetensors"), tensors)]);
    assert.equal(weights.backbone, net);
    const lpips = await Lpips.create(gpu, weights);
    // More than a block of eight, the last one partly filled.
    const images = Array.from({ length: 10 }, (_, i) => noiseImage(side, i));
    const shares: number[] = [];
    const { count, data } = await lpips.distances(images, (share) => shares.push(share));
    assert.equal(count, 10);
    const expected = Float64Array.from(data, (_, k) => {
      const [i, j] = [Math.floor(k / 10), k % 10];
      return referenceLpips(net, tensors, images[i]!, images[j]!);
    });
    assert.ok(expected.every((value, k) => k % 11 === 0 ? value === 0 : value > 0.01));
    assertClose(data, expected, TOLERANCE, net);
    assert.equal(shares.at(-1), 1);
    const [left, right] = [images.slice(0, 9), images.slice(1)];
    const pairs = left.map((_, i) => expected[i * 10 + i + 1]!);
    assertClose(await lpips.between(left, right), pairs, TOLERANCE, "pairs");
    lpips.dispose();
    assert.deepEqual(gpu.allocated, before, "device memory was left allocated");
  });
}

Deno.test("readLpips() reads a file of torch.save, and heads and backbone in two files", async () => {
  using folder = temporaryFolder();
  const tensors = madeUpLpips("alex");
  const whole = await readLpips([await written(folder.file("whole.safetensors"), tensors)]);

  const entries = [...tensors];
  const content = orderedDict(Object.fromEntries(entries.map(([name, { shape, data }], i) => [
    name,
    tensor(storage("FloatStorage", String(i), data.length), { shape: [...shape] }),
  ])));
  const storages = Object.fromEntries(
    entries.map(([, { data }], i) => [String(i), Float32Array.from(data)]),
  );
  await Deno.writeFile(folder.file("whole.pth"), buildTorch({ content, storages }));
  assert.deepEqual(await readLpips([folder.file("whole.pth")]), whole);

  // torchvision's names, with a classifier that is of no use here.
  const backbone: Tensors = new Map([["classifier.6.bias", tensors.get("net.slice1.0.bias")!]]);
  const heads: Tensors = new Map();
  for (const [name, value] of tensors) {
    const [, place] = /^net\.slice\d\.(.*)$/.exec(name) ?? [];
    if (place) backbone.set(`features.${place}`, value);
    else if (name.startsWith("lin")) heads.set(name, value);
  }
  const files = [
    await written(folder.file("heads.safetensors"), heads),
    await written(folder.file("alexnet.safetensors"), backbone),
  ];
  const two = await readLpips(files);
  for (const [name, { data }] of whole.tensors) {
    const own = two.tensors.get(name)!.data;
    if (name === "shift") assert.deepEqual(own, Float32Array.of(-0.03, -0.088, -0.188));
    else if (name === "scale") assert.deepEqual(own, Float32Array.of(0.458, 0.448, 0.45));
    else assert.deepEqual(own, data, name);
  }
  await assert.rejects(readLpips([files[1]!]), /it lacks the head "lin0\.model\.1\.weight"/);
  await assert.rejects(readLpips([files[0]!]), /no first convolution of AlexNet or VGG-16/);
});

Deno.test("readLpips() names what is missing, of the wrong shape or no number", async () => {
  using folder = temporaryFolder();
  const refused = async (change: (tensors: Tensors) => void, reason: RegExp) => {
    const tensors = madeUpLpips("alex");
    change(tensors);
    const path = await written(folder.file("l.safetensors"), tensors);
    await assert.rejects(readLpips([path]), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(error.message, reason);
      return true;
    });
  };
  await refused((t) => t.delete("net.slice3.6.bias"), /lacks "features\.6\.bias" of the backbone/);
  await refused(
    (t) => t.set("net.slice2.3.weight", t.get("net.slice3.6.weight")!),
    /"net\.slice2\.3\.weight" has shape \[5,6,3,3\], \[5,4,5,5\] is needed/,
  );
  await refused((t) => t.get("net.slice5.10.bias")!.data.fill(NaN), /net\.slice5\.10\.bias/);
});

Deno.test("Lpips refuses images that its layers leave nothing of", async () => {
  using folder = temporaryFolder();
  const path = await written(folder.file("l.safetensors"), madeUpLpips("alex"));
  const lpips = await Lpips.create(await testGpu(), await readLpips([path]));
  const small = [noiseImage(30, 1), noiseImage(30, 2)];
  await assert.rejects(lpips.distances(small), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /images of 30x30 .* need 31x31 at least/);
    return true;
  });
  const fitting = await lpips.distances([noiseImage(31, 1), noiseImage(31, 2)]);
  assert.ok(fitting.data[1]! > 0);
  lpips.dispose();
});
