import assert from "node:assert/strict";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import { batchBesideStep, fittingBatch } from "../../../models/generator/batch.ts";

const generator = (channels: number[]) =>
  architecture({ zSize: 512, wSize: 512, mappingDepth: 8, channels });

Deno.test("fittingBatch() keeps the largest feature map within what an adapter binds", () => {
  const at256 = generator([512, 512, 512, 512, 512, 256, 128]);
  // 128 channels of 257x257 pixels take 32.25 MiB.
  assert.equal(fittingBatch(at256, 128 * 2 ** 20), 3);
  assert.equal(fittingBatch(at256, 2 ** 31), 8);
  assert.equal(batchBesideStep(at256, 2 ** 31), 3);
  assert.equal(fittingBatch(at256, 2 ** 20), 1);
  assert.equal(fittingBatch(generator([32, 32, 24, 16]), 128 * 2 ** 20), 8);
});
