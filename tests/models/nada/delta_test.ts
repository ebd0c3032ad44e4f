import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError, UserError } from "../../../lib/errors.ts";
import { VERSION } from "../../../lib/version.ts";
import {
  applyDelta,
  applyDeltas,
  promptOf,
  readDelta,
  writeDelta,
} from "../../../models/nada/delta.ts";
import { loadGenerator } from "../../../models/nada/generator_file.ts";
import { type HostTensor, inMemory } from "../../../models/generator/generator.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { temporaryFolder } from "../../temporary.ts";
import { allValues } from "../generator/values.ts";
import { asSource, madeUpTensors } from "../stylegan2/made_up.ts";

const DIMENSIONS = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };
const BASE = { file: "/somewhere/base.pt", sha256: "ab".repeat(32) };
const CONFIG = { prompt: { source: "photo", target: "Skizze – 素描" }, steps: 3 };

const base = () => readGenerator(asSource(madeUpTensors(DIMENSIONS, 1)));

/** Tensors of another generator under some of the names. */
async function changes(...names: string[]): Promise<Map<string, HostTensor>> {
  const { parameters, fixed } = await readGenerator(asSource(madeUpTensors(DIMENSIONS, 2)));
  return await allValues(names.map((name) => [name, parameters.get(name) ?? fixed.get(name)!]));
}

const stored = (tensors: ReadonlyMap<string, HostTensor>) =>
  new Map(tensors.entries().map(([name, tensor]) => [name, inMemory(tensor)]));

Deno.test("writeDelta() writes only what changed, and what it belongs to", async () => {
  using folder = temporaryFolder();
  const path = folder.file("adapted.safetensors");
  const changed = await changes("convs.0.conv.weight", "conv1.noise.weight");
  await writeDelta(path, changed, { base: BASE, config: CONFIG });
  using checkpoint = await openCheckpoint(path);
  assert.deepEqual([...checkpoint.tensors.keys()].sort(), [...changed.keys()].sort());
  assert.ok([...checkpoint.tensors.values()].every(({ dtype }) => dtype === "f32"));
  assert.deepEqual(checkpoint.metadata, {
    "nada.format": "delta",
    "nada.version": VERSION,
    "nada.base.file": "base.pt",
    "nada.base.sha256": BASE.sha256,
    "nada.config": JSON.stringify(CONFIG),
  });
});

Deno.test("writeDelta() names files without their folders", async () => {
  using folder = temporaryFolder();
  const path = folder.file("adapted.safetensors");
  const config = {
    options: { generator: "/srv/a/base.pt", clips: [{ path: "/srv/b/clip.pt" }], source: "/photo" },
    files: { generator: { path: "/srv/a/base.pt", sizeBytes: 7 } },
  };
  await writeDelta(path, await changes("conv1.noise.weight"), { base: BASE, config });
  assert.deepEqual((await readDelta(path)).config, {
    options: { generator: "base.pt", clips: [{ path: "clip.pt" }], source: "/photo" },
    files: { generator: { path: "base.pt", sizeBytes: 7 } },
  });
});

Deno.test("readDelta() gives back what writeDelta() wrote", async () => {
  using folder = temporaryFolder();
  const path = folder.file("adapted.safetensors");
  const changed = await changes("input.input");
  await writeDelta(path, changed, { base: BASE, config: CONFIG });
  const delta = await readDelta(path);
  assert.deepEqual(delta.base, { file: "base.pt", sha256: BASE.sha256 });
  assert.deepEqual(delta.config, CONFIG);
  assert.deepEqual(promptOf(delta), { source: "photo", target: "Skizze – 素描" });
  assert.deepEqual(
    await delta.tensors.get("input.input")!.read(),
    changed.get("input.input")!.data,
  );
});

Deno.test("readDelta() refuses other files, and values that are not finite", async () => {
  using folder = temporaryFolder();
  const refused = async (message: RegExp) =>
    await assert.rejects(readDelta(folder.file("x.safetensors")), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(error.message, message);
      return true;
    });
  await refused(/there is no such file/);
  const tensors = await changes("input.input");
  await writeSafetensors(folder.file("x.safetensors"), tensors);
  await refused(/for an adapted generator: its metadata does not say so/);
  await writeSafetensors(folder.file("x.safetensors"), tensors, {
    "nada.format": "delta",
    "nada.config": "{",
  });
  await refused(/"nada\.config" in its metadata is no JSON/);
  tensors.get("input.input")!.data[3] = NaN;
  await writeDelta(folder.file("x.safetensors"), tensors, { base: BASE, config: null });
  const { tensors: broken } = await readDelta(folder.file("x.safetensors"));
  await assert.rejects(broken.get("input.input")!.read(), /"input\.input".*element 3 is NaN/);
});

Deno.test("applyDelta() gives base and delta exactly at strength 0 and 1, and goes beyond", async () => {
  const weights = await base();
  const name = "convs.0.conv.weight";
  const tensors = await changes(name);
  const delta = { file: "d", base: BASE, config: null, tensors: stored(tensors) };
  const values = (strength?: number) =>
    applyDelta(weights, BASE, delta, strength).parameters.get(name)!.read();
  const [from, to] = [await weights.parameters.get(name)!.read(), tensors.get(name)!.data];
  assert.deepEqual(await values(0), from);
  assert.deepEqual(await values(1), to);
  assert.deepEqual(await values(), to);
  assert.deepEqual(await values(1.5), from.map((a, i) => Math.fround(-0.5 * a + 1.5 * to[i]!)));
  const others = applyDelta(weights, BASE, delta).parameters;
  assert.equal(others.get("conv1.conv.weight"), weights.parameters.get("conv1.conv.weight"));
});

Deno.test("applyDeltas() adds up what several change, each by its strength", async () => {
  const weights = await base();
  const [both, alone] = ["convs.0.conv.weight", "input.input"] as const;
  const [one, two] = [await changes(both, alone), await changes(both)];
  two.set(both, { ...two.get(both)!, data: two.get(both)!.data.map((value) => 3 - value) });
  const shares = [one, two].map((tensors, i) => ({
    delta: { file: "d", base: BASE, config: null, tensors: stored(tensors) },
    strength: [0.75, 0.5][i]!,
  }));
  const { parameters } = applyDeltas(weights, BASE, shares);
  const moved = async (name: string, of: (from: number, i: number) => number) => {
    const from = await weights.parameters.get(name)!.read();
    assert.deepEqual(await parameters.get(name)!.read(), from.map(of));
  };
  const [a, b] = [one.get(both)!.data, two.get(both)!.data];
  await moved(both, (from, i) => -0.25 * from + 0.75 * a[i]! + 0.5 * b[i]!);
  await moved(alone, (from, i) => 0.25 * from + 0.75 * one.get(alone)!.data[i]!);
});

Deno.test("applyDelta() also moves the fixed noise", async () => {
  const weights = await base();
  const tensors = await changes("noises.noise_0");
  const delta = { file: "d", base: BASE, config: null, tensors: stored(tensors) };
  const { fixed } = applyDelta(weights, BASE, delta);
  assert.deepEqual(await fixed.get("noises.noise_0")!.read(), tensors.get("noises.noise_0")!.data);
  assert.deepEqual(fixed.get("noises.noise_1"), weights.fixed.get("noises.noise_1"));
});

Deno.test("applyDelta() refuses another base, naming the one it needs, and tensors without a place", async () => {
  const weights = await base();
  const apply = (tensors: Map<string, HostTensor>, sha256 = BASE.sha256) => () =>
    applyDelta(weights, BASE, {
      file: "my.safetensors",
      base: { file: "right.pt", sha256 },
      config: null,
      tensors: stored(tensors),
    });
  const refused = (run: () => unknown, message: RegExp) =>
    assert.throws(run, (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  const tensors = await changes("input.input");
  refused(
    apply(tensors, "cd".repeat(32)),
    /^Cannot apply "my\.safetensors" to ".*base\.pt": .*"right\.pt" with the sha256 cdcdcdcdcdcd…/,
  );
  refused(apply(new Map([["input.inputs", tensors.get("input.input")!]])), /no such tensor/);
  const wrong = { shape: [1], data: Float32Array.of(1) };
  refused(apply(new Map([["input.input", wrong]])), /shape \[1\], the base needs \[1,7,4,4\]/);
});

Deno.test("loadGenerator() says what to do with a delta", async () => {
  using folder = temporaryFolder();
  const path = folder.file("adapted.safetensors");
  await writeDelta(path, await changes("input.input"), { base: BASE, config: CONFIG });
  await assert.rejects(loadGenerator(path), {
    name: "CheckpointError",
    message: /only what an adaptation changed of "base\.pt"; give that file as --generator/,
  });
});
