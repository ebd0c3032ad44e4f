import assert from "node:assert/strict";
import { input } from "../../../lib/graph/tensor.ts";
import { trainingW } from "../../../models/generator/styles.ts";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import { stylegan2 } from "../../../models/stylegan2/family.ts";
import { stylegan3 } from "../../../models/stylegan3/family.ts";
import { readGenerator } from "../../../models/stylegan3/weights.ts";
import { assertClose } from "../../assert.ts";
import { evaluate } from "../../gpu.ts";
import { asSource } from "../stylegan2/made_up.ts";
import { madeUpDimensions, madeUpTensors } from "../stylegan3/made_up.ts";

Deno.test("trainingW() truncates StyleGAN3's w by 0.7, and leaves StyleGAN2's", async () => {
  const [w, meanW] = [input("w", [1, 2]), input("mean", [2])];
  const a = architecture({ zSize: 6, wSize: 2, mappingDepth: 2, channels: [7, 5] });
  assert.equal(trainingW(stylegan2(a), w, meanW), w);
  const source = asSource(madeUpTensors(madeUpDimensions("T"), 1));
  const { architecture: b } = await readGenerator(source);
  const { out } = await evaluate({ out: trainingW(stylegan3(b), w, meanW) }, {
    w: Float32Array.of(3, -1),
    mean: Float32Array.of(1, 1),
  });
  assertClose(out, [1 + 0.7 * 2, 1 - 0.7 * 2], 1e-6);
});
