import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../models/clip/mod.ts";
import {
  choosesAll,
  LayerSelection,
  type SelectionInputs,
} from "../../../models/nada/layer_selection.ts";
import { globalTarget } from "../../../models/nada/losses/mod.ts";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import {
  type DeviceGenerator,
  disposeGenerator,
  uploadGenerator,
} from "../../../models/generator/device.ts";
import { generatorOf } from "../../../models/generator/families.ts";
import type { NoiseMode } from "../../../models/generator/generator.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose, relativeError } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { normals, seededRandom, testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "../clip/tiny.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";

// Against the float64 run. The reference subtracts two codes, which costs its float32 run digits;
// here what was moved is summed apart.
const WEIGHTS = 5e-6;

interface Settings {
  text: string;
  clip_models: Record<string, [name: string, weight: number][]>;
  index_to_layer: string[];
  results: Record<string, Record<string, number[]>>;
}

const CLIP_FILES: Record<string, string> = {
  vit_a: "clip/vit_a/state_dict.pt",
  vit_b: "clip/vit_b/huggingface",
};

const NO_NOISE_KEY = Uint32Array.of(0, 0);

async function upload(path: string): Promise<DeviceGenerator> {
  using checkpoint = await openCheckpoint(path);
  return await uploadGenerator(await testGpu(), await readGenerator(checkpoint));
}

/** What the original chose from and what it found. */
async function original() {
  return {
    settings: await fixtureJson<Settings>("layer_selection/layer_selection.json"),
    expected: await fixture("layer_selection/layer_selection.safetensors"),
    frozen: await upload(fixturePath("stylegan2/generator_32.pt")),
    trained: await upload(fixturePath("training/train_start.pt")),
  };
}

async function judgesOf(models: readonly (readonly [string, number])[], { text }: Settings) {
  const gpu = await testGpu();
  return await Promise.all(models.map(async ([model, weight]) => {
    const clip = await Clip.open(gpu, fixturePath(CLIP_FILES[model]!));
    return { clip, weight, target: await globalTarget(clip, text) };
  }));
}

Deno.test({
  name: "LayerSelection weighs and chooses layers as the original does, with one CLIP and with two",
  ignore: !hasFixtures,
}, async () => {
  const gpu = await testGpu();
  const { settings, expected, frozen, trained } = await original();
  assert.deepEqual(generatorOf(trained.architecture).selectableLayers, settings.index_to_layer);

  for (const [name, models] of Object.entries(settings.clip_models)) {
    const judges = await judgesOf(models, settings);
    for (const iterations of [1, 2]) {
      const selection = await LayerSelection.create(gpu, { frozen, trained, judges }, {
        batch: 4,
        iterations,
        count: 5,
        noise: "const",
        clipResize: "bicubic",
        precision: "f32",
      });
      const run = `${name}.iters${iterations}`;
      const { weights, chosen, layers } = await selection.choose({
        z: expected.z!.data,
        noiseKey: NO_NOISE_KEY,
      });
      const wanted = expected[`${run}.layer_weights_float64_run`]!.data;
      const error = assertClose(weights, wanted, WEIGHTS, run);
      console.log(`${run}: ${error.toExponential(1)}, ${layers.join(" ")}`);
      for (const count of [1, 3, 5]) {
        const best = settings.results[run]![`top${count}_indexes`];
        assert.deepEqual(new Set(chosen.slice(0, count)), new Set(best), `${run}, k = ${count}`);
      }
      assert.deepEqual(layers, chosen.map((index) => settings.index_to_layer[index]));
      selection.dispose();
    }
    judges.forEach(({ clip }) => clip.dispose());
  }
  [frozen, trained].forEach(disposeGenerator);
});

Deno.test({
  name: "LayerSelection in f16 weighs layers as the original does, but for what is rounded",
  ignore: !hasFixtures || (await testGpu()).limits.halves !== true,
}, async () => {
  const gpu = await testGpu();
  const { settings, expected, frozen, trained } = await original();
  const [[name, models]] = Object.entries(settings.clip_models) as [
    [string, [string, number][]],
  ];
  const judges = await judgesOf(models, settings);
  const selection = await LayerSelection.create(gpu, { frozen, trained, judges }, {
    batch: 4,
    iterations: 1,
    count: 5,
    noise: "const",
    clipResize: "bicubic",
    precision: "f16",
  });
  const { weights } = await selection.choose({ z: expected.z!.data, noiseKey: NO_NOISE_KEY });
  const wanted = expected[`${name}.iters1.layer_weights_float64_run`]!.data;
  const error = assertClose(weights, wanted, 1e-2, "weights in f16");
  assert(error > WEIGHTS, `${error}: nothing was rounded`);
  selection.dispose();
  judges.forEach(({ clip }) => clip.dispose());
  [frozen, trained].forEach(disposeGenerator);
});

/** A selection on a made-up generator and a tiny CLIP, called with each of `inputs` in turn. */
async function choose(noise: NoiseMode, iterations: number, inputs: readonly SelectionInputs[]) {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const file = folder.file("generator.safetensors");
  const dimensions = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 3] };
  await writeSafetensors(file, madeUpTensors(dimensions, 3));
  const generator = await upload(file);
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const target = await globalTarget(clip, "a");
  const selection = await LayerSelection.create(gpu, {
    frozen: generator,
    trained: generator,
    judges: [{ clip, weight: 1, target }, { clip, weight: 0, target }],
  }, { batch: 3, iterations, count: 4, noise, clipResize: "bicubic", precision: "f32" });
  const choices = [];
  for (const each of inputs) choices.push(await selection.choose(each));
  selection.dispose();
  clip.dispose();
  disposeGenerator(generator);
  assert.deepEqual(gpu.allocated, before, "device memory was left allocated");
  return choices;
}

Deno.test("LayerSelection begins anew at each choice, and sorts by how far the codes moved", async () => {
  const [a, b] = [1, 2].map((seed) => ({
    z: normals(3 * 6, seededRandom(seed)),
    noiseKey: NO_NOISE_KEY,
  }));
  const [first, other, again] = await choose("const", 2, [a!, b!, a!]);
  assert.deepEqual(again, first);
  assert.notDeepEqual(other!.weights, first!.weights);
  const { weights, chosen } = first!;
  assert.equal(weights.length, 6);
  assert.deepEqual([...weights].sort((x, y) => y - x).slice(0, 4), chosen.map((i) => weights[i]!));
  assert.ok(Math.min(...weights) > 0);
});

Deno.test("LayerSelection draws new random noise for every key and iteration", async () => {
  const z = normals(3 * 6, seededRandom(1));
  const keys = [[5, 7], [5, 8], [5, 7]].map((key) => ({ z, noiseKey: Uint32Array.from(key) }));
  const [one, other, again] = await choose("random", 1, keys);
  assert.deepEqual(again, one);
  assert.notDeepEqual(other!.weights, one!.weights);
  // With the same noise, a second step moves the codes by nearly as much as the first.
  const first = keys.slice(0, 1);
  const [[fixed], [fixedTwo]] = [await choose("const", 1, first), await choose("const", 2, first)];
  const [two] = await choose("random", 2, first);
  const twice = (weights: Float32Array) => weights.map((weight) => 2 * weight);
  assert.ok(relativeError(fixedTwo!.weights, twice(fixed!.weights)) < 0.02);
  assert.ok(relativeError(two!.weights, twice(one!.weights)) > 0.1);
});

Deno.test("choosesAll() says when nothing is left to choose, and refuses other numbers", () => {
  const a = architecture({ zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 3] });
  assert.deepEqual(
    generatorOf(a).selectableLayers,
    ["conv1", "to_rgb1", "convs.0", "convs.1", "convs.2", "convs.3"],
  );
  assert.equal(choosesAll(a, 6), true);
  assert.equal(choosesAll(a, 5), false);
  for (const count of [7, 0, -1, 2.5, NaN]) {
    assert.throws(
      () => choosesAll(a, count),
      /Cannot choose .* layers: this generator has 6 .* from 1 to 6/,
    );
  }
});
