/** One step of an adaptation, as `nada adapt` takes it, the loss read back in each. */
import type { Precision } from "../../lib/graph/precision.ts";
import { generatorOf } from "../../models/generator/families.ts";
import type { NoiseMode } from "../../models/generator/generator.ts";
import { AdamClock } from "../../models/nada/adam_clock.ts";
import { selectionStep } from "../../models/nada/layer_selection.ts";
import { FIRST_LOSS_SCALE, LOSS_SCALE } from "../../models/nada/loss_scale.ts";
import { DIRECTION_ONLY, type DirectionDistance } from "../../models/nada/losses/mod.ts";
import { prefixed } from "../../models/nada/prefixed.ts";
import { trainingStep } from "../../models/nada/training_step.ts";
import type { Architecture } from "../../models/stylegan2/architecture.ts";
import type { Case } from "../case.ts";
import { configF, demoGenerator, demoVit, modelFilling, tower, type Vit, vitB } from "../models.ts";

interface Step {
  readonly name: string;
  readonly architecture: Architecture;
  readonly vits: readonly Vit[];
  readonly batch: number;
  readonly distance: DirectionDistance;
  readonly noise: NoiseMode;
  /** The first and the last of the layers that are trained; all of them where it is left out. */
  readonly some?: readonly [number, number];
}

export async function stepCases(large: boolean, precision: Precision): Promise<Case[]> {
  const demo: Step = {
    name: "demo",
    architecture: await demoGenerator(),
    vits: [await demoVit()],
    batch: 4,
    distance: "projection",
    noise: "none",
  };
  const full = (resolution: number, patches: number[]): Step => ({
    name: `config F at ${resolution}, ViT-B/${patches.join(" and /")}`,
    architecture: configF(resolution),
    vits: patches.map(vitB),
    batch: 2,
    distance: "cosine",
    noise: "random",
  });
  const largest = full(1024, [32, 16]);
  const ofSomeLayers: Step = { ...largest, some: [6, 11] };
  const steps = [demo, full(256, [32]), ...(large ? [largest, ofSomeLayers] : [])];
  return [
    ...steps.map((step) => stepCase(step, precision)),
    ...(large ? [choiceCase(largest, precision)] : []),
  ];
}

/** What programs in f16 take beside the rest. */
const lossScale = (precision: Precision) =>
  precision === "f16" ? { [LOSS_SCALE]: Float32Array.of(FIRST_LOSS_SCALE) } : {};

/** Latents behind a choice of layers, unless asked otherwise. */
const CHOICE_BATCH = 8;

/** What comes on top of a step for which layers are chosen. */
function choiceCase({ name, architecture: a, vits, noise }: Step, precision: Precision): Case {
  const judges = vits.map((vit, i) => ({
    clip: tower(vit, `clip${i}`),
    weight: 1,
    target: {
      features: new Float32Array(vit.features).fill(1 / Math.sqrt(vit.features)),
      logitScale: 100,
    },
  }));
  const options = { batch: CHOICE_BATCH, noise, clipResize: "bicubic", precision } as const;
  return {
    name: `choice of layers, ${name}, ${CHOICE_BATCH} latents`,
    filling: modelFilling,
    program: () => selectionStep(a, judges, options),
    inputs: { ...lossScale(precision), "noise key": Uint32Array.of(1, 0) },
    result: "weights",
    read: ["weights"],
    clock: "host",
    images: CHOICE_BATCH,
    peer: null,
  };
}

const LEARNING_RATE = 0.002;

function stepCase(
  { name, architecture: a, vits, batch, distance, noise, some }: Step,
  precision: Precision,
): Case {
  const all = generatorOf(a).defaultLayers;
  const [first, last] = some ?? [0, all.length - 1];
  const layers = all.slice(first, last + 1);
  const clock = new AdamClock(layers, "skip");
  return {
    name: `${name}, batch ${batch}` + (some ? `, layers ${first} to ${last} of ${all.length}` : ""),
    filling: modelFilling,
    program: () =>
      trainingStep(a, new Set(), {
        weights: DIRECTION_ONLY,
        judges: vits.map((vit, i) => ({
          clip: tower(vit, `clip${i}`),
          weight: 1,
          targets: { direction: new Float32Array(vit.features).fill(1 / Math.sqrt(vit.features)) },
        })),
        distance,
        resize: "bicubic",
        textureClip: null,
      }, {
        batch,
        noise,
        layers,
        layersVary: false,
        trainParams: "all",
        frozenAdam: "skip",
        mixing: 0,
        augmentation: "none",
        checkpointActivations: false,
        precision,
      }).program,
    inputs: {
      ...prefixed(
        "hyper",
        Object.fromEntries(layers.map((layer) => [layer, clock.hyper(layer, LEARNING_RATE)])),
      ),
      ...lossScale(precision),
      "noise key/frozen": Uint32Array.of(1, 0),
      "noise key/trained": Uint32Array.of(2, 0),
    },
    result: "total",
    read: ["total"],
    clock: "host",
    images: batch,
    peer: some ? null : {
      kind: "step",
      architecture: a,
      vits,
      batch,
      distance,
      noise,
      lr: LEARNING_RATE,
    },
  };
}
