import assert from "node:assert/strict";
import { Clip } from "../../../../models/clip/mod.ts";
import {
  evaluateShort,
  type ShortFigures,
  textObserver,
} from "../../../../models/nada/eval/mod.ts";
import { disposeGenerator, uploadGenerator } from "../../../../models/generator/device.ts";
import { readGenerator } from "../../../../models/stylegan2/weights.ts";
import { testGpu } from "../../../gpu.ts";
import { temporaryFolder } from "../../../temporary.ts";
import { writeTiny } from "../../clip/tiny.ts";
import { asSource, madeUpTensors } from "../../stylegan2/made_up.ts";

const DIMENSIONS = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };
const TEXTS = { source: "a", target: "b", templates: ["{}"] };

Deno.test("evaluateShort() finds what has moved and what has not", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const generator = async (seed: number) =>
    await uploadGenerator(gpu, await readGenerator(asSource(madeUpTensors(DIMENSIONS, seed))));
  const [frozen, other] = [await generator(1), await generator(2)];
  try {
    const observer = await textObserver("tiny", clip, TEXTS);
    const figures = async (adapted: typeof frozen): Promise<ShortFigures> =>
      (await evaluateShort(gpu, { frozen, adapted }, [observer], "bicubic"))[0]!;
    const still = await figures(frozen);
    assert.equal(still.clip, "tiny");
    assert.deepEqual(still.directionAgreement, { mean: 0, worst: 0 });
    assert.ok(Math.abs(still.contentKept.worst - 1) < 1e-6);

    const moved = await figures(other);
    assert.ok(moved.contentKept.mean < 0.999);
    assert.ok(moved.contentKept.worst < moved.contentKept.mean);
    // Against the opposite texts, the same way is as wrong as it was right.
    const opposite = { ...observer, direction: observer.direction.map((value) => -value) };
    const [back] = await evaluateShort(gpu, { frozen, adapted: other }, [opposite], "bicubic");
    assert.ok(moved.directionAgreement.mean !== 0);
    assert.equal(back!.directionAgreement.mean, -moved.directionAgreement.mean);
  } finally {
    [frozen, other].forEach(disposeGenerator);
    clip.dispose();
  }
});
