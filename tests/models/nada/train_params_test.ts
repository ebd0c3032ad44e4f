/** Training of the styles alone, in generators of every family. */
import assert from "node:assert/strict";
import { adapt, type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import { StepStream } from "../../../models/nada/step_inputs.ts";
import type { TrainingState } from "../../../models/nada/training.ts";
import { readParameters } from "../../../models/generator/device.ts";
import { assertClose } from "../../assert.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import * as stylegan2 from "../stylegan2/made_up.ts";
import * as stylegan3 from "../stylegan3/made_up.ts";
import { tensorsIn, tinyRun } from "./tiny_run.ts";

const FAMILIES = [
  {
    family: "StyleGAN2",
    tensors: stylegan2.madeUpTensors({ zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] }, 3),
    affines: ["conv1.conv.modulation", "convs.0.conv.modulation", "convs.1.conv.modulation"],
    layers: ["convs.1", "to_rgb1"],
    affinesOfLayers: ["convs.1.conv.modulation", "to_rgb1.conv.modulation"],
    unstyled: "style",
  },
  {
    family: "StyleGAN3",
    tensors: stylegan3.madeUpTensors(stylegan3.madeUpDimensions("R"), 3),
    affines: ["input", "L0_28_7", "L1_28_5", "L2_36_4", "L3_16_4", "L4_16_3"].map((layer) =>
      `synthesis.${layer}.affine`
    ),
    layers: ["L2"],
    affinesOfLayers: ["synthesis.L2_36_4.affine"],
    unstyled: "mapping",
  },
];

const PARTS = { modulation: ["weight", "bias"], shift: ["bias"] };
const parametersOf = (affines: readonly string[], params: keyof typeof PARTS) =>
  affines.flatMap((affine) => PARTS[params].map((part) => `${affine}.${part}`)).sort();

for (const { family, tensors, affines, layers, affinesOfLayers, unstyled } of FAMILIES) {
  Deno.test(`adapt() of ${family} changes the styles alone, and of the layers asked for`, async () => {
    using folder = temporaryFolder();
    const options = { ...await tinyRun(folder, tensors), steps: 2, sampleEvery: 0, sampleCount: 1 };
    const changed = async (name: string, change: Partial<AdaptOptions>) => {
      const out = folder.file(name);
      const inputs = await readInputs({ ...options, ...change });
      await adapt(await testGpu(), out, inputs, {}, new AbortController().signal);
      const base = await tensorsIn(options.generator);
      const delta = await tensorsIn(`${out}/adapted.safetensors`);
      for (const [parameter, values] of delta) {
        assert.ok(values.every((value, i) => value !== base.get(parameter)![i]), parameter);
      }
      return [...delta.keys()].sort();
    };
    for (const trainParams of ["modulation", "shift"] as const) {
      assert.deepEqual(
        await changed(trainParams, { trainParams }),
        parametersOf(affines, trainParams),
      );
      assert.deepEqual(
        await changed(`${trainParams} of layers`, { trainParams, trainLayers: layers }),
        parametersOf(affinesOfLayers, trainParams),
      );
    }
    const everything = await changed("phase", { trainParams: "shift", phase: "all" });
    assert.deepEqual(
      everything,
      [...tensors.keys()].filter((name) => /(modulation|affine)\.bias$/.test(name)).sort(),
    );
    await assert.rejects(
      readInputs({ ...options, trainParams: "shift", trainLayers: [...layers, unstyled] }),
      new RegExp(`Cannot train the shift of "${unstyled}": it has no styles; .*--train-params all`),
    );
  });

  Deno.test(`training ${family}'s shifts moves them as training all would, were the rest put back`, async () => {
    using folder = temporaryFolder();
    const gpu = await testGpu();
    // The layers that have the shifts, so that they are trained in both.
    const trainLayers = family === "StyleGAN3" ? ["affine"] : null;
    const options = { ...await tinyRun(folder, tensors), trainLayers };
    const inputs = await readInputs(options);
    using all = await prepare(gpu, inputs);
    using shifts = await prepare(gpu, await readInputs({ ...options, trainParams: "shift" }));
    const given = { ...options, autoLayers: null, given: null };
    const stream = new StepStream(inputs.frozen.architecture, given, 0);
    const start = await all.training.read();

    for (let step = 0; step < 3; step++) {
      const next = stream.next().step;
      const before = await shifts.training.read();
      all.training.restore(withShifts(start, before));
      const { total } = await shifts.training.run(next);
      assertClose([total], [(await all.training.run(next)).total], 1e-6, `loss of step ${step}`);
      const [ours, theirs] = [await shifts.training.read(), await all.training.read()];
      assert.ok(ours.weights.size > 0);
      for (const [name, shift] of ours.weights) {
        assert.match(name, /\.bias$/);
        const moved = (values: Float32Array) =>
          values.map((value, i) => value - before.weights.get(name)![i]!);
        // The launches differ, and with them the rounding of gradients near 0, which Adam divides by
        // their own size.
        assertClose(moved(shift), moved(theirs.weights.get(name)!), 2e-3, name);
        assertClose(ours.moments.get(name)!, theirs.moments.get(name)!, 1e-3, name);
      }
    }
    const [base, after] = [
      await readParameters(shifts.frozen),
      await readParameters(shifts.trained),
    ];
    const shifted = new Set((await shifts.training.read()).weights.keys());
    for (const [name, { data }] of after) {
      assert.equal(data.every((value, i) => value === base.get(name)!.data[i]), !shifted.has(name));
    }
  });
}

/** The state `all` with the weights, moments and time of `some`. */
function withShifts(all: TrainingState, some: TrainingState): TrainingState {
  return {
    step: some.step,
    weights: new Map([...all.weights, ...some.weights]),
    moments: new Map([...all.moments, ...some.moments]),
    times: new Map([...all.times, ...some.times]),
    lossScale: some.lossScale,
  };
}
