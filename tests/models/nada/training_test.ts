import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../models/clip/clip.ts";
import { textDirection } from "../../../models/nada/text_direction.ts";
import { Training } from "../../../models/nada/training.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose, relativeError } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { testGpu } from "../../gpu.ts";

interface Settings {
  source_class: string;
  target_class: string;
  templates: string[];
  runs: Record<string, { losses: number[] }>;
}

async function generator(relative: string) {
  using checkpoint = await openCheckpoint(fixturePath(relative));
  return await readGenerator(checkpoint);
}

Deno.test({
  name: "Training follows the reference's trajectory: losses, first gradients, weights",
  ignore: !hasFixtures,
}, async () => {
  const gpu = await testGpu();
  const settings = await fixtureJson<Settings>("training/training.json");
  const expected = await fixture("training/all_one_clip.safetensors");
  const inputs = await fixture("training/inputs.safetensors");
  const start = await generator("training/train_start.pt");
  const clip = await Clip.open(gpu, fixturePath("clip/vit_a/state_dict.pt"));
  const fill = (text: string) => settings.templates.map((t) => t.replace("{}", text));
  const direction = textDirection(
    await clip.encodeTexts(fill(settings.source_class)),
    await clip.encodeTexts(fill(settings.target_class)),
  );
  const training = await Training.create(gpu, {
    frozen: await generator("stylegan2/generator_32.pt"),
    trained: start,
    clip,
    textDirection: direction,
  }, { batch: 2, lr: 0.002, noise: "const", clipResize: "bicubic" });

  const noiseKeys = { frozen: Uint32Array.of(0, 0), trained: Uint32Array.of(0, 0) };
  for (let step = 0; step < 6; step++) {
    const loss = await training.run({ z: inputs[`z.${step}`]!.data, noiseKeys });
    const wanted = expected.losses!.data[step]!;
    console.log(`step ${step}: loss ${loss.toFixed(6)}, reference ${wanted.toFixed(6)}`);
    assert.ok(Math.abs(loss - wanted) <= 1e-3, `loss of step ${step}: ${loss}, not ${wanted}`);
  }

  const { weights } = await training.read();
  const [change, reference] = [[] as number[], [] as number[]];
  for (const [name, data] of weights) {
    const before = start.parameters.get(name)!.data;
    const after = expected[`final.${name}`]!.data;
    data.forEach((value, i) => {
      change.push(value - before[i]!);
      reference.push(after[i]! - before[i]!);
    });
  }
  console.log(`total change of weights: ${relativeError(change, reference).toExponential(2)}`);
  assertClose(change, reference, 5e-2, "total change of weights");
  training.dispose();
  clip.dispose();
});
