/**
 * The demo generator from nothing, by regression on pairs of a latent and its true photo: first the
 * mapping network alone, then all of it at half the resolution, where shapes are found quickly, then
 * at the full one.
 */
import { input } from "../../../lib/graph/tensor.ts";
import { type Architecture, architecture, type Dimensions } from "../../stylegan2/architecture.ts";
import { broadcastW } from "../../generator/styles.ts";
import { mapping, synthesis } from "../../stylegan2/generator.ts";
import { noNoises } from "../../stylegan2/noise.ts";
import { LATENT_SIZE } from "../world/mod.ts";
import {
  generatorLeaves,
  initialGenerator,
  statisticsOfW,
  storedGenerator,
} from "./generator_weights.ts";
import { initialHead, mappingStage, rampAndFall } from "./mapping.ts";
import { pictureLoss } from "./picture_loss.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage, Part, Stage } from "./run.ts";
import { drawLayers, drawPlanes, joined } from "./scenes.ts";
import type { Settings } from "./state_file.ts";
import { ofKind, startState } from "./values.ts";

export interface GeneratorSize extends Dimensions {
  /** Scenes that the mapping network is fitted on. */
  readonly scenes: number;
}

/** The generator that comes with nada. */
export const DEMO_GENERATOR: GeneratorSize = {
  zSize: LATENT_SIZE,
  wSize: 64,
  mappingDepth: 4,
  channels: [128, 128, 96, 40, 24],
  scenes: 8192,
};

/** Steps of the main training, latents a step, and the seed. */
export const GENERATOR_SETTINGS: Settings = { steps: 13_000, batch: 16, seed: 1 };

/** Of the main steps: those at half the resolution, and those of the mapping network before. */
const SMALL = 3 / 13;
const MAPPING = 6 / 13;

const ADAM = { beta1: 0.9, beta2: 0.99 };
const PEAK = 0.02;
/** The mapping network's rate as a part of the others'. */
const MAPPING_RATE = 0.1;
/** Latents behind the mean w. */
const MEAN_SAMPLES = 16384;

export function generatorPart(settings: Settings, size: GeneratorSize = DEMO_GENERATOR): Part {
  const { steps, seed } = settings;
  const full = architecture(size);
  const half = architecture({ ...size, channels: size.channels.slice(0, -1) });
  const first = Math.round(MAPPING * steps);
  const small = first + Math.round(SMALL * steps);
  const stage = (a: Architecture, end: number): Stage => ({
    name: `${a.resolution}x${a.resolution}`,
    end,
    open: () =>
      Promise.resolve(openStage(a, settings, { first, fromHalf: { architecture: half, small } })),
  });
  return {
    name: "generator",
    stages: [
      mappingStage(full, { seed, steps: first, scenes: size.scenes }),
      stage(half, small),
      stage(full, first + steps),
    ],
    start() {
      const random = new StepRandom(seed, -2);
      return startState(
        new Map([...initialGenerator(full, random), ...initialHead(full, random)]),
      );
    },
    async export(gpu, state) {
      const weights = ofKind(state, "mean");
      const z = new StepRandom(seed, -3).normals(MEAN_SAMPLES * full.zSize);
      const { mean } = await statisticsOfW(gpu, full, weights, z);
      return {
        tensors: storedGenerator(full, weights, mean),
        metadata: { format: "pt", steps: String(steps), seed: String(seed) },
      };
    },
  };
}

interface Times {
  /** The first step of the main training. */
  readonly first: number;
  /** What was trained at half the resolution, and up to which step. */
  readonly fromHalf: { readonly architecture: Architecture; readonly small: number };
}

function openStage(
  a: Architecture,
  { steps, batch, seed }: Settings,
  { first, fromHalf }: Times,
): OpenStage {
  const side = a.resolution;
  const z = input("z", [batch, a.zSize]);
  const leaves = generatorLeaves(a);
  const wPlus = broadcastW(a, mapping(leaves.parameters, a, z));
  const { image } = synthesis(leaves.parameters, a, wPlus, noNoises(a));
  const loss = pictureLoss(image, input("true", [batch, 3, side, side]));
  const old = generatorLeaves(fromHalf.architecture).synthesis;
  const split = Object.groupBy(
    Object.entries(leaves.synthesis),
    ([name]) => name in old ? "early" : "late",
  );
  const late = Object.fromEntries(split.late ?? []);
  return {
    problem: {
      terms: [{ loss, limit: Infinity }],
      limit: Infinity,
      groups: [
        { leaves: leaves.mapping, rate: MAPPING_RATE, decay: 0, since: first },
        { leaves: Object.fromEntries(split.early ?? []), rate: 1, decay: 0, since: first },
        { leaves: late, rate: 1, decay: 0, since: fromHalf.small },
      ],
      adam: ADAM,
      meansSince: first,
    },
    pictures: batch,
    inputs(step) {
      const latents = new StepRandom(seed, step).normals(batch * a.zSize);
      const photos = Array.from({ length: batch }, (_, i) => {
        const one = latents.subarray(i * a.zSize, (i + 1) * a.zSize);
        return drawPlanes(drawLayers(one), "photo", side);
      });
      return { z: latents, true: joined(photos) };
    },
    rate: (step) => PEAK * rampAndFall(step - first, steps),
  };
}
