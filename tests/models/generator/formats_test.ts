/** Every form of file that a generator comes in gives the same generator. */
import assert from "node:assert/strict";
import { loadGenerator } from "../../../models/nada/generator_file.ts";
import { kernelNames } from "../../../models/stylegan2/architecture.ts";
import { assertClose } from "../../assert.ts";
import {
  type FloatType,
  legacyArchive,
  torchArchive,
} from "../../lib/checkpoint/build_state_dict.ts";
import { temporaryFolder } from "../../temporary.ts";
import type { Tensors } from "../stylegan2/made_up.ts";
import { madeUp } from "../stylegan2/made_up_tensorflow.ts";
import { type Form, FORMS } from "./forms.ts";
import { allValues } from "./values.ts";

/** What nada reads, all values included. */
async function load(form: Form, ours: Tensors) {
  using folder = temporaryFolder();
  const path = folder.file("generator");
  await Deno.writeFile(path, form.make(ours));
  const { architecture, parameters, fixed, latentAvg } = (await loadGenerator(path)).weights;
  return {
    architecture,
    parameters: await allValues(parameters),
    fixed: await allValues(fixed),
    latentAvg: latentAvg && await latentAvg.read(),
  };
}

for (const form of FORMS as readonly Form[]) {
  Deno.test(`loadGenerator() reads the same generator from ${form.name}`, async () => {
    const ours = madeUp();
    const { architecture, parameters, fixed, latentAvg } = await load(form, ours);
    assert.deepEqual(architecture.resolution, 16);
    for (const [name, { shape, data }] of [...parameters, ...fixed]) {
      assert.deepEqual(shape, ours.get(name)!.shape, name);
      // TensorFlow's code adds 1 to a bias that is stored without it.
      assertClose(data, ours.get(name)!.data, 1e-6, name);
    }
    const filters = architecture.family === "stylegan2" ? kernelNames(architecture) : [];
    assert.equal(parameters.size + fixed.size + filters.length, ours.size - 1);
    if (form.hasMean === false) assert.equal(latentAvg, null);
    else assert.deepEqual(latentAvg, ours.get("latent_avg")!.data);
  });

  Deno.test(`loadGenerator() refuses ${form.name} with a NaN or an infinity, and names it`, async () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const ours = madeUp();
      ours.get("convs.2.activate.bias")!.data[1] = value;
      await assert.rejects(load(form, ours), new RegExp(`bias" holds ${value} at index 1`));
    }
  });
}

for (const type of ["f64", "f32", "f16", "bf16"] as FloatType[]) {
  for (const [era, archive] of [["", torchArchive], [" of before 1.6", legacyArchive]] as const) {
    Deno.test(`loadGenerator() reads ${type} from PyTorch's files${era}`, async () => {
      // Numbers that all four types hold.
      const ours: Tensors = new Map(
        madeUp().entries().map(([name, { shape, data }]) => [
          name,
          { shape, data: /kernel$/.test(name) ? data : data.map((x) => Math.round(x * 4) / 8) },
        ]),
      );
      const form = { name: type, make: (tensors: Tensors) => archive(tensors, "", type) };
      const { parameters } = await load(form, ours);
      for (const [name, { data }] of parameters) {
        // The mapping network's numbers are a hundred times larger: bfloat16 keeps 8 bits.
        if (!name.startsWith("style")) assert.deepEqual(data, ours.get(name)!.data, name);
      }
    });
  }
}
