/** Commands with a StyleGAN3 generator. */
import assert from "node:assert/strict";
import { openCheckpoint, sha256File, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { writeDelta } from "../../models/nada/delta.ts";
import { assertClose } from "../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../fixtures.ts";
import { madeUpDimensions, madeUpTensors } from "../models/stylegan3/made_up.ts";
import { temporaryFolder } from "../temporary.ts";
import { succeed } from "./run.ts";

async function imagesIn(path: string) {
  using checkpoint = await openCheckpoint(path);
  const { shape, read } = checkpoint.tensors.get("images")!;
  return { shape, data: await read() };
}

Deno.test("nada sample draws a StyleGAN3 generator, and its adaptations as far as asked", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  const tensors = madeUpTensors(madeUpDimensions("T"), 1);
  await writeSafetensors(generator, tensors);
  const name = "synthesis.L4_16_3.bias";
  const { shape, data } = tensors.get(name)!;
  const delta = folder.file("adapted.safetensors");
  await writeDelta(delta, new Map([[name, { shape, data: data.map((x) => x + 0.5) }]]), {
    base: { file: generator, sha256: await sha256File(generator) },
    config: null,
  });
  const draw = async (out: string, ...more: string[]) => {
    const path = folder.file(out);
    const options = ["--generator", generator, "--seeds", "0-2", "--out", path, ...more];
    await succeed("sample", ...options);
    return await imagesIn(path);
  };
  const before = await draw("a.safetensors");
  assert.deepEqual(before.shape, [3, 3, 16, 16]);
  const half = await draw("b.safetensors", "--adapted", delta, "--strength", "0.5");
  // Colours are a quarter of what the last layer gives.
  assertClose(half.data, before.data.map((x) => x + 0.5 * 0.5 / 4), 1e-6);
});

Deno.test({
  name: "nada sample and inspect read NVIDIA's StyleGAN3 pickles",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  for (const [model, kind] of [["sg3t", "T"], ["sg3r", "R"]]) {
    const file = fixturePath(`nvidia/${model}.pkl`);
    const about = await succeed("inspect", file);
    assert.match(about, /^Kind +StyleGAN3 generator in NVIDIA's layout$/m);
    assert.match(about, /^Image +32x32$/m);
    assert.match(about, /^Latents +z 32, w 32, w\+ 16x32$/m);
    assert.match(about, new RegExp(`filters\\s+\\(as\\s+configuration\\s+${kind}\\)`));

    const expected = await fixture(`nvidia/${model}_forward.safetensors`);
    const z = folder.file(`${model}_z.safetensors`);
    await writeSafetensors(z, [["z", expected["input.z"]!]]);
    const out = folder.file(`${model}.safetensors`);
    await succeed("sample", "--generator", file, "--z", z, "--truncation", "0.7", "--out", out);
    const { data } = await imagesIn(out);
    assertClose(data, expected["image_truncated_0.7"]!.data, 3e-6, model);
  }
});
