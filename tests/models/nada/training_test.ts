import assert from "node:assert/strict";
import { AdamClock, BETA2 } from "../../../models/nada/adam_clock.ts";
import { ADAPT_DEFAULTS, type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { LOSS_TOLERANCE } from "../../../models/nada/precision_choice.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import { StepStream } from "../../../models/nada/step_inputs.ts";
import type { TrainingState } from "../../../models/nada/training.ts";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { generatorOf, type GeneratorWeights } from "../../../models/generator/families.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";

// The reference's own float32 run is off by up to 4e-6 after six steps.
const LOSS = 2e-5;
// Gradients: this, and four times the reference's own rounding, which the fixture states: sums over
// all pixels, such as a noise strength's gradient, cancel to a small rest.
const GRADIENT = 1e-5;
// A gradient near zero may flip its sign, and with it lr * sign(g), the first step.
const CHANGE = 1e-3;

const STEPS = 6;

interface FixtureRun {
  clip_models: [name: string, weight: number][];
  auto_layer_k: number;
  auto_layer_iters: number;
  zero_grad: string;
  chosen_layers: string[][];
  float32_vs_float64: Record<string, { max_abs_diff: number }>;
}

interface Settings {
  source_class: string;
  target_class: string;
  templates: string[];
  runs: Record<string, FixtureRun>;
}

type Expected = Awaited<ReturnType<typeof fixture>>;

const CLIP_FILES: Record<string, string> = {
  vit_a: "clip/vit_a/state_dict.pt",
  vit_b: "clip/vit_b/huggingface",
};

/** The options of one of the fixture's runs; the files it needs are written to `folder`. */
async function optionsOf(
  { source_class, target_class, templates }: Settings,
  run: FixtureRun,
  folder: { file(name: string): string },
): Promise<AdaptOptions> {
  const inputs = await fixture("training/inputs.safetensors");
  const stacked = (name: string) => {
    const each = Array.from({ length: STEPS }, (_, step) => inputs[`${name}.${step}`]!);
    const data = Float32Array.from(each.flatMap(({ data }) => [...data]));
    return [name, { shape: [STEPS, ...each[0]!.shape], data }] as const;
  };
  const [z, texts] = [folder.file("z.safetensors"), folder.file("templates.txt")];
  await writeSafetensors(z, [[...stacked("z")], [...stacked("z_layer_selection")]]);
  await Deno.writeTextFile(texts, templates.join("\n"));
  return {
    ...ADAPT_DEFAULTS,
    generator: fixturePath("stylegan2/generator_32.pt"),
    trainGenerator: fixturePath("training/train_start.pt"),
    clips: run.clip_models.map(([name, weight]) => ({
      path: fixturePath(CLIP_FILES[name]!),
      weight,
    })),
    source: source_class,
    targets: [{ text: target_class, weight: 1 }],
    templates: texts,
    z,
    steps: STEPS,
    precision: "f32",
    noise: "const",
    autoLayers: run.auto_layer_k === 0
      ? null
      : { count: run.auto_layer_k, iterations: run.auto_layer_iters, batch: 4, every: 1 },
    frozenAdam: run.zero_grad.startsWith("sets gradients to None") ? "skip" : "decay",
  };
}

for (
  const name of [
    "all_one_clip",
    "all_two_clips",
    "adaptive_grad_none",
    "adaptive_grad_zero",
    "adaptive_two_clips_grad_none",
  ]
) {
  Deno.test({
    name: `Training follows the reference's trajectory ${name}: losses, layers, gradients, weights`,
    ignore: !hasFixtures,
  }, async () => {
    using folder = temporaryFolder();
    const gpu = await testGpu();
    const settings = await fixtureJson<Settings>("training/training.json");
    const expected = await fixture(`training/${name}.safetensors`);
    const run = settings.runs[name]!;
    const inputs = await readInputs(await optionsOf(settings, run, folder));
    const { frozen, trained: start, plan, latents, options } = inputs;
    using models = await prepare(gpu, inputs);
    const { training, selection } = models;
    const stream = new StepStream(frozen.architecture, {
      ...options,
      autoLayers: plan.auto,
      given: latents,
    }, 0);

    const errors: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      const next = stream.next();
      const layers = next.selection && selection
        ? (await selection.choose(next.selection)).layers
        : plan.layers;
      if (selection) {
        assert.deepEqual(new Set(layers), new Set(run.chosen_layers[step]), `step ${step}`);
      }
      const { total } = await training.run(next.step, layers);
      const wanted = expected.losses!.data[step]!;
      errors.push(Math.abs(total - wanted));
      assert.ok(errors.at(-1)! <= LOSS, `loss of step ${step}: ${total}, not ${wanted}`);
      if (step === 0) await checkFirstStep(await training.read(), layers, start, expected, run);
    }
    console.log(`${name}: losses at worst ${Math.max(...errors).toExponential(1)} off`);

    const state = await training.read();
    const [change, reference] = [[] as number[], [] as number[]];
    for (const [parameter, data] of state.weights) {
      const before = await start.parameters.get(parameter)!.read();
      const after = expected[`final.${parameter}`]?.data ?? before;
      data.forEach((value, i) => {
        change.push(value - before[i]!);
        reference.push(after[i]! - before[i]!);
      });
    }
    const error = assertClose(change, reference, CHANGE, "total change of weights");
    console.log(`${name}: total change of weights ${error.toExponential(1)}`);
    checkMoments(name, state, start, expected);
  });
}

Deno.test({
  name: "Training in f16 stays near the reference's trajectory all_two_clips",
  ignore: !hasFixtures || (await testGpu()).limits.halves !== true,
}, async () => {
  using folder = temporaryFolder();
  const settings = await fixtureJson<Settings>("training/training.json");
  const expected = await fixture("training/all_two_clips.safetensors");
  const options = await optionsOf(settings, settings.runs.all_two_clips!, folder);
  const inputs = await readInputs({ ...options, precision: "f16" });
  using models = await prepare(await testGpu(), inputs);
  const given = { ...options, autoLayers: null, given: inputs.latents };
  const stream = new StepStream(inputs.frozen.architecture, given, 0);
  const errors: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const { total, overflowed } = await models.training.run(stream.next().step);
    assert.deepEqual(overflowed, []);
    const wanted = expected.losses!.data[step]!;
    errors.push(Math.abs(total - wanted) / Math.abs(wanted));
  }
  const worst = Math.max(...errors);
  assert(worst <= LOSS_TOLERANCE && worst > LOSS, `losses are ${errors.join(", ")} off`);
  console.log(`in f16: losses at worst ${worst.toExponential(1)} of them off`);
});

/**
 * Compares the first step's gradients. They are not read from the device: with zero moments before,
 * Adam leaves v = (1 - beta2) g² and moves each weight against its gradient.
 */
async function checkFirstStep(
  { weights, moments }: TrainingState,
  layers: readonly string[],
  start: GeneratorWeights,
  expected: Expected,
  { float32_vs_float64: rounding }: FixtureRun,
): Promise<void> {
  const parametersOf = generatorOf(start.architecture).layers;
  let worst = 0;
  for (const name of layers.flatMap((layer) => parametersOf.get(layer)!)) {
    const [before, after] = [await start.parameters.get(name)!.read(), weights.get(name)!];
    const gradient = moments.get(name)!.map((v, i) =>
      Math.sqrt(v / (1 - BETA2)) * Math.sign(before[i]! - after[i]!)
    );
    const wanted = expected[`grad_step1.${name}`]!.data;
    const rms = Math.hypot(...wanted) / Math.sqrt(wanted.length);
    const tolerance = GRADIENT + 4 * rounding[`grad_step1.${name}`]!.max_abs_diff / rms;
    worst = Math.max(worst, assertClose(gradient, wanted, tolerance, `gradient of ${name}`));
  }
  console.log(`first-step gradients: at worst ${worst.toExponential(1)}`);
}

/** Compares the second moments at the end, where the fixture has them. */
function checkMoments(
  run: string,
  { moments, times }: TrainingState,
  { architecture }: GeneratorWeights,
  expected: Expected,
): void {
  const [ours, theirs] = [[] as number[], [] as number[]];
  for (const [layer, names] of generatorOf(architecture).layers) {
    for (const name of names) {
      const wanted = expected[`adam_exp_avg_sq.${name}`]?.data;
      if (!wanted || !moments.has(name)) continue;
      theirs.push(...wanted);
      ours.push(...moments.get(name)!.map((v) => v * BETA2 ** times.get(layer)!.idle));
    }
  }
  if (theirs.length === 0) return;
  const error = assertClose(ours, theirs, CHANGE, "second moments");
  console.log(`${run}: second moments ${error.toExponential(1)}`);
}

Deno.test("AdamClock counts a frozen layer's steps only where its moment is to decay", () => {
  for (const [frozen, idle, count] of [["skip", 0, 1], ["decay", 2, 3]] as const) {
    const clock = new AdamClock(["a", "b"], frozen);
    for (const layers of [["a", "b"], ["a"], ["a"]]) clock.advance(new Set(layers));
    assert.deepEqual(clock.times.get("a"), { count: 3, idle: 0 });
    assert.deepEqual(clock.times.get("b"), { count, idle });
    const wanted = [0.1 * 4 / 5, 1 / (1 - BETA2 ** (count + 1)), BETA2 ** (idle + 1)];
    assert.deepEqual(clock.hyper("b", 0.1), Float32Array.from(wanted));
  }
});
