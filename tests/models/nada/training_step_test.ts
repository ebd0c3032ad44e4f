/** What a training step computes, and what it need not: counted in launches. */
import assert from "node:assert/strict";
import { planProgram } from "../../../lib/graph/plan.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { imageTower, openClipFile } from "../../../models/clip/mod.ts";
import type { NoiseMode } from "../../../models/generator/generator.ts";
import { ADAPT_DEFAULTS } from "../../../models/nada/adapt.ts";
import { DIRECTION_ONLY } from "../../../models/nada/losses/mod.ts";
import { trainingStep } from "../../../models/nada/training_step.ts";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "../clip/tiny.ts";

using folder = temporaryFolder();
using file = await openClipFile(await writeTiny(folder.file("clip.safetensors")));

/** Launches by the op that they are named after, in the step of a generator of five convolutions. */
function launches(
  layers: string[],
  noise: NoiseMode,
  {
    mappingDepth = 2,
    layersVary = false,
    joinsLaunches = false,
    precision = "f32" as Precision,
  } = {},
) {
  const a = architecture({ zSize: 6, wSize: 5, mappingDepth, channels: [7, 5, 4] });
  const { program } = trainingStep(a, new Set(), {
    weights: DIRECTION_ONLY,
    judges: [{
      clip: imageTower(file),
      weight: 1,
      targets: { direction: new Float32Array(file.architecture.features).fill(0.1) },
    }],
    distance: "cosine",
    resize: "bicubic",
    textureClip: null,
  }, { ...ADAPT_DEFAULTS, batch: 2, layers, layersVary, noise, precision });
  const limits = {
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 30,
    storageBuffers: 16,
    workgroupBytes: 49152,
    joinsLaunches,
  };
  const plan = planProgram(program, "gpu", limits);
  const labels = plan.launches.map(({ label }) => label);
  const count = (name: RegExp) => labels.filter((label) => name.test(label)).length;
  return {
    all: labels.length,
    reads: [...plan.states.keys(), ...plan.inputs.keys()],
    convolutions: count(/^conv(_transpose)?2d_\d/),
    weightGradients: count(/^conv_weight_grad/),
    adam: count(/^adam/),
  };
}

const LAYERS = ["input", "conv1", "convs.0", "convs.1", "convs.2", "convs.3"];

Deno.test("layers below the first that is trained run once for both generators, and get no gradient", () => {
  // Five, the last again, and its gradient, of which the style's is made.
  const last = launches(["convs.3"], "const");
  assert.deepEqual([last.convolutions, last.weightGradients, last.adam], [7, 1, 5]);
  // The gradient passes the layer above as well.
  const third = launches(["convs.2"], "const");
  assert.deepEqual([third.convolutions, third.weightGradients, third.adam], [9, 1, 5]);
  const all = launches(LAYERS, "const");
  assert.deepEqual([all.convolutions, all.weightGradients, all.adam], [15, 5, 26]);
});

Deno.test("noise of its own makes each generator run all but the first convolution, which comes before any", () => {
  assert.equal(launches(["convs.3"], "random").convolutions, 1 + 4 + 4 + 1);
});

Deno.test("both generators share one pass through the mapping network, unless it is trained", () => {
  const cost = (layers: string[]) =>
    launches(layers, "random", { mappingDepth: 6 }).all - launches(layers, "random").all;
  assert.equal(cost(LAYERS), 4);
  assert(cost([...LAYERS, "style"]) > 8);
});

Deno.test("layers that are trained in every step share launches, those that may be left out do not", () => {
  const count = (layersVary: boolean) =>
    launches(LAYERS, "const", { layersVary, joinsLaunches: true }).all;
  assert(count(false) < 0.9 * count(true), `${count(false)} and ${count(true)}`);
});

Deno.test("a step reads the image tower, and of the texts what they were encoded to before", () => {
  const { reads } = launches(LAYERS, "const");
  const ofTower = (tower: "image" | "text") =>
    [...file.weights[tower].keys()].filter((name) =>
      reads.some((read) => read.endsWith(`: ${tower}.${name}`))
    );
  assert.deepEqual(ofTower("image"), [...file.weights.image.keys()]);
  assert.deepEqual(ofTower("text"), []);
  assert.deepEqual(reads.filter((name) => !name.includes("/")).toSorted(), ["z"]);
});
