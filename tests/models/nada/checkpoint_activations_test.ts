import assert from "node:assert/strict";
import { readInputs } from "../../../models/nada/adapt.ts";
import { runCost } from "../../../models/nada/cost.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import { StepStream } from "../../../models/nada/step_inputs.ts";
import { assertClose } from "../../assert.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";
import { tinyRun } from "./tiny_run.ts";

Deno.test("a run that computes maps again learns what one that keeps them learns", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  // Maps of a MiB and more, as smaller ones are always kept.
  const size = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [4, 4, 4, 4, 16] };
  const tiny = { ...await tinyRun(folder, madeUpTensors(size, 1)), batch: 6 };
  const learned = async (checkpointActivations: boolean) => {
    const options = { ...tiny, checkpointActivations };
    const inputs = await readInputs(options);
    using models = await prepare(gpu, inputs);
    const { architecture } = inputs.frozen;
    const stream = new StepStream(architecture, { ...options, autoLayers: null, given: null }, 0);
    const losses: number[] = [];
    for (let step = 0; step < 2; step++) {
      losses.push((await models.training.run(stream.next().step)).total);
    }
    const { weights, moments } = await models.training.read();
    return { losses, weights, moments, dispatches: (await runCost(options, gpu)).step.dispatches };
  };
  const [kept, again] = [await learned(false), await learned(true)];
  assert(again.dispatches > kept.dispatches);
  // Other launches share a kernel now, so that rounding differs in the last places.
  assertClose(again.losses, kept.losses, 1e-5);
  for (const [name, moment] of kept.moments) {
    assertClose(again.moments.get(name)!, moment, 1e-3, name);
  }
});
