import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../models/clip/clip.ts";
import { textDirection } from "../../../models/nada/text_direction.ts";
import { adamBeta2, Training, type TrainingState } from "../../../models/nada/training.ts";
import { type GeneratorWeights, readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { testGpu } from "../../gpu.ts";

// The reference's own float32 run is off by up to 4e-6 after six steps.
const LOSS = 2e-5;
// Gradients: this, and four times the reference's own rounding, which the fixture states: sums over
// all pixels, such as a noise strength's gradient, cancel to a small rest.
const GRADIENT = 1e-5;
// A gradient near zero may flip its sign, and with it lr * sign(g), the first step.
const CHANGE = 1e-3;

interface Settings {
  source_class: string;
  target_class: string;
  templates: string[];
  runs: Record<string, { float32_vs_float64: Record<string, { max_abs_diff: number }> }>;
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
    assert.ok(Math.abs(loss - wanted) <= LOSS, `loss of step ${step}: ${loss}, not ${wanted}`);
    if (step === 0) checkFirstStep(await training.read(), start, expected, settings);
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
  const error = assertClose(change, reference, CHANGE, "total change of weights");
  console.log(`total change of weights: ${error.toExponential(1)}`);
  training.dispose();
  clip.dispose();
});

/**
 * Compares the first step's gradients. They are not read from the device: with zero moments before,
 * Adam leaves v = (1 - beta2) g² and moves each weight against its gradient.
 */
function checkFirstStep(
  { weights, moments }: TrainingState,
  start: GeneratorWeights,
  expected: Awaited<ReturnType<typeof fixture>>,
  { runs }: Settings,
): void {
  const rounding = runs.all_one_clip!.float32_vs_float64;
  let worst = 0;
  for (const [name, after] of weights) {
    const before = start.parameters.get(name)!.data;
    const gradient = moments.get(name)!.map((v, i) =>
      Math.sqrt(v / (1 - adamBeta2())) * Math.sign(before[i]! - after[i]!)
    );
    const wanted = expected[`grad_step1.${name}`]!.data;
    const rms = Math.hypot(...wanted) / Math.sqrt(wanted.length);
    const tolerance = GRADIENT + 4 * rounding[`grad_step1.${name}`]!.max_abs_diff / rms;
    worst = Math.max(worst, assertClose(gradient, wanted, tolerance, `gradient of ${name}`));
  }
  console.log(`first-step gradients: at worst ${worst.toExponential(1)}`);
}
