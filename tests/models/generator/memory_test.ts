import assert from "node:assert/strict";
import { readGenerator } from "../../../models/generator/families.ts";
import { disposeGenerator, uploadGenerator } from "../../../models/generator/device.ts";
import type { TensorSource } from "../../../models/generator/generator.ts";
import { testGpu } from "../../gpu.ts";
import { asSource, type Tensors } from "../stylegan2/made_up.ts";
import { madeUp } from "../stylegan2/made_up_tensorflow.ts";
import { madeUpDimensions, madeUpTensors } from "../stylegan3/made_up.ts";

/** The source, and the arrays that it gave out. */
function watched(tensors: Tensors): { source: TensorSource; given: Float32Array<ArrayBuffer>[] } {
  const { file, tensors: entries } = asSource(tensors);
  const given: Float32Array<ArrayBuffer>[] = [];
  const watchedEntries = entries.entries().map(([name, { shape, read }]) =>
    [name, {
      shape,
      async read() {
        assert.ok(given.every(({ buffer }) => buffer.detached), `while "${name}" is read`);
        given.push(await read() as Float32Array<ArrayBuffer>);
        return given.at(-1)!;
      },
    }] as const
  );
  return { source: { file, tensors: new Map(watchedEntries) }, given };
}

for (
  const [family, tensors] of [
    ["StyleGAN2", withoutFilters()],
    ["StyleGAN3", madeUpTensors(madeUpDimensions("T"), 1)],
  ] as const
) {
  Deno.test(`uploadGenerator() has one tensor of a ${family} in memory at a time`, async () => {
    const { source, given } = watched(tensors);
    const weights = await readGenerator(source);
    assert.equal(given.length, 0, "values were read before they were needed");
    // The mean comes last and stays with its owner.
    const generator = await uploadGenerator(await testGpu(), weights);
    disposeGenerator(generator);
    assert.equal(given.length, tensors.size);
  });
}

/** A StyleGAN2 without the filters whose values decide whether it is one. */
function withoutFilters(): Tensors {
  return new Map(madeUp().entries().filter(([name]) => !name.endsWith("kernel")));
}
