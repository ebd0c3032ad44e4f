/**
 * The demo generator from nothing, by regression on pairs of a latent and its true picture: first
 * the mapping network alone, then photos at half the resolution, where shapes are found quickly,
 * then at the full one, and last all styles, each as a shift of the style vectors of convolutions.
 * The shifts stay in the state, where the CLIP's training reads them: what is exported draws photos,
 * with the styles near by in its weights.
 */
import { add, mul } from "../../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { type Architecture, architecture, type Dimensions } from "../../stylegan2/architecture.ts";
import { broadcastW } from "../../generator/styles.ts";
import { mapping, synthesis } from "../../stylegan2/generator.ts";
import { noNoises } from "../../stylegan2/noise.ts";
import { LATENT_SIZE } from "../world/mod.ts";
import {
  FixedGenerator,
  type GeneratorLeaves,
  initialGenerator,
  photoLeaves,
  statisticsOfW,
  storedGenerator,
  styledLeaves,
} from "./generator_weights.ts";
import { initialHead, mappingStage, rampAndFall } from "./mapping.ts";
import type { Problem } from "./optimiser.ts";
import { pictureLoss, textureLoss } from "./picture_loss.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage, Part, Stage } from "./run.ts";
import { drawLayers, drawPlanes, joined, OTHERS, rowsOf } from "./scenes.ts";
import type { Settings } from "./state_file.ts";
import { ofKind, startState, type TrainState } from "./values.ts";

export interface GeneratorSize extends Dimensions {
  /** Scenes that the mapping network is fitted on. */
  readonly scenes: number;
}

/** The generator that comes with nada. */
export const DEMO_GENERATOR: GeneratorSize = {
  zSize: LATENT_SIZE,
  wSize: 64,
  mappingDepth: 4,
  channels: [128, 128, 96, 64, 32],
  scenes: 8192,
};

/** Steps of the main training, latents a step, and the seed. */
export const GENERATOR_SETTINGS: Settings = { steps: 31_000, batch: 16, seed: 1 };

/** Of the main steps: photos at half the resolution, all photos, and the mapping network before. */
const SMALL = 3 / 31;
const PHOTOS = 13 / 31;
const MAPPING = 6 / 31;

const ADAM = { beta1: 0.9, beta2: 0.99 };
const PEAKS = { photos: 0.02, styles: 0.012 };
/** The mapping network's rate as a part of the others'. With styles, photos are to stay the same. */
const MAPPING_RATES = { photos: 0.1, styles: 0.02 };
/** What the loss of textures counts. */
const TEXTURE = 0.5;
/** Of the styled pictures, those that are in their style fully; the others are on the way there. */
const WHOLE = 0.6;
/** Latents behind the mean w. */
const MEAN_SAMPLES = 16384;

/** First steps of the stages; `end` is that after the last. */
type Times = Record<"small" | "full" | "styles" | "end", number>;

function timesOf(steps: number): Times {
  const small = Math.round(MAPPING * steps);
  return {
    small,
    full: small + Math.round(SMALL * steps),
    styles: small + Math.round(PHOTOS * steps),
    end: small + steps,
  };
}

export function generatorPart(settings: Settings, size: GeneratorSize = DEMO_GENERATOR): Part {
  const { steps, seed } = settings;
  const a = architecture(size);
  const half = architecture({ ...size, channels: size.channels.slice(0, -1) });
  const times = timesOf(steps);
  const photos = (a: Architecture, end: number): Stage => ({
    name: `${a.resolution}x${a.resolution}`,
    end,
    open: () => Promise.resolve(openPhotos(a, half, settings, times)),
  });
  return {
    name: "generator",
    stages: [
      mappingStage(a, { seed, steps: times.small, scenes: size.scenes }),
      photos(half, times.full),
      photos(a, times.styles),
      {
        name: "styles",
        end: times.end,
        open: () => Promise.resolve(openStyles(a, half, settings, times)),
      },
    ],
    start() {
      const random = new StepRandom(seed, -2);
      return startState(new Map([...initialGenerator(a, random), ...initialHead(a, random)]));
    },
    async export(gpu, state) {
      const weights = ofKind(state, "mean");
      const z = new StepRandom(seed, -3).normals(MEAN_SAMPLES * a.zSize);
      const { mean } = await statisticsOfW(gpu, a, weights, z);
      return {
        tensors: storedGenerator(a, weights, mean),
        metadata: { format: "pt", steps: String(steps), seed: String(seed) },
      };
    },
  };
}

/** The generator with its styles; null where the state is not that of the end of training. */
export function trainedGenerator(
  settings: Settings,
  state: TrainState,
  size: GeneratorSize = DEMO_GENERATOR,
): FixedGenerator | null {
  if (state.step < timesOf(settings.steps).end) return null;
  return new FixedGenerator(architecture(size), ofKind(state, "mean"));
}

function openPhotos(
  a: Architecture,
  half: Architecture,
  { batch, seed }: Settings,
  times: Times,
): OpenStage {
  const z = input("z", [batch, a.zSize]);
  const leaves = photoLeaves(a);
  const wPlus = broadcastW(a, mapping(leaves.parameters, a, z));
  const { image } = synthesis(leaves.parameters, a, wPlus, noNoises(a));
  const steps = times.styles - times.small;
  return {
    problem: {
      loss: pictureLoss(image, input("true", image.shape)),
      groups: photoGroups(leaves, half, times, MAPPING_RATES.photos),
      adam: ADAM,
      meansSince: times.small,
    },
    pictures: batch,
    inputs(step) {
      const latents = new StepRandom(seed, step).normals(batch * a.zSize);
      const photos = rowsOf(latents, a.zSize).map((one) =>
        drawPlanes(drawLayers(one), "photo", a.resolution)
      );
      return { z: latents, true: joined(photos) };
    },
    rate: (step) => PEAKS.photos * rampAndFall(step - times.small, steps),
  };
}

function openStyles(
  a: Architecture,
  half: Architecture,
  { batch, seed }: Settings,
  times: Times,
): OpenStage {
  const z = input("z", [batch, a.zSize]);
  const leaves = styledLeaves(a, input("shares", [batch, OTHERS.length]));
  const wPlus = broadcastW(a, mapping(leaves.parameters, a, z));
  const { image } = synthesis(leaves.parameters, a, wPlus, leaves.noises);
  const truth = input("true", image.shape);
  const late = { rule: "adam", rate: 1, decay: 0, since: times.styles } as const;
  return {
    problem: {
      loss: add(pictureLoss(image, truth), mul(textureLoss(image, truth), TEXTURE)),
      groups: [
        ...photoGroups(leaves, half, times, MAPPING_RATES.styles),
        { leaves: leaves.styles, ...late },
      ],
      adam: ADAM,
      meansSince: times.small,
    },
    pictures: batch,
    inputs: (step) => styledBatch(new StepRandom(seed, step), a, batch),
    rate: (step) => PEAKS.styles * rampAndFall(step - times.styles, times.end - times.styles),
  };
}

/** What photos need, by when it is first trained. */
function photoGroups(
  leaves: GeneratorLeaves,
  half: Architecture,
  times: Times,
  mappingRate: number,
): Problem["groups"] {
  const early = photoLeaves(half).synthesis;
  const split = Object.groupBy(
    Object.entries(leaves.synthesis),
    ([name]) => name in early ? "early" : "late",
  );
  const group = (leaves: Record<string, Tensor>, rate: number, since: number) =>
    ({ leaves, rule: "adam", rate, decay: 0, since }) as const;
  return [
    group(leaves.mapping, mappingRate, times.small),
    group(Object.fromEntries(split.early ?? []), 1, times.small),
    group(Object.fromEntries(split.late ?? []), 1, times.full),
  ];
}

/**
 * Latents, shares of the styles, and true pictures. A quarter are photos; a picture that is a share
 * of the way to a style is that share of the way in every pixel.
 */
function styledBatch(random: StepRandom, { zSize, resolution }: Architecture, batch: number) {
  const z = random.normals(batch * zSize);
  const shares = new Float32Array(batch * OTHERS.length);
  const pictures = rowsOf(z, zSize).map((one, i) => {
    const layers = drawLayers(one);
    const photo = drawPlanes(layers, "photo", resolution);
    if (i < batch / 4) return photo;
    const k = random.whole(OTHERS.length);
    const share = random.uniform() < WHOLE ? 1 : random.uniform();
    shares[i * OTHERS.length + k] = share;
    const styled = drawPlanes(layers, OTHERS[k]!, resolution);
    return photo.map((value, at) => value + share * (styled[at]! - value));
  });
  return { z, shares, true: joined(pictures) };
}
