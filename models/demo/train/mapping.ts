/**
 * Trains the mapping network alone: a linear head on w has to give the scene and what its photo
 * roughly looks like. Without this the whole generator first learns one mean face that ignores z.
 */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { add, matmul, mean, square, sub } from "../../../lib/graph/ops/mod.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { type Architecture } from "../../stylegan2/architecture.ts";
import { mapping } from "../../stylegan2/generator.ts";
import { ATTRIBUTES, sceneFromLatent } from "../world/mod.ts";
import { photoLeaves, statisticsOfW } from "./generator_weights.ts";
import { weightLeaf } from "./optimiser.ts";
import { principalCoordinates } from "./principal.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage, Stage } from "./run.ts";
import { drawLayers, drawPlanes, joined } from "./scenes.ts";
import { ofKind, startState, type TrainState, type Values } from "./values.ts";

/** Latents a step. */
const BATCH = 512;
/** Side of the pictures whose components are wanted, and how many of them. */
const SIDE = 16;
const COMPONENTS = 48;
const GOALS = ATTRIBUTES.length + COMPONENTS;
const ADAM = { beta1: 0.9, beta2: 0.99 };
const PEAK = 0.01;

/** What a linear head on w has to give, and from which latents. */
interface Goals {
  /** `[n, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  /** `[n, GOALS]` */
  readonly goals: Float32Array<ArrayBuffer>;
}

/** The head's parameters: `[GOALS, wSize]` and `[GOALS]`. */
export function initialHead({ wSize }: Architecture, random: StepRandom): Map<string, Values> {
  const weight = random.normals(GOALS * wSize).map((value) => value / Math.sqrt(wSize));
  return new Map([
    ["head.weight", { shape: [GOALS, wSize], data: weight }],
    ["head.bias", { shape: [GOALS], data: new Float32Array(GOALS) }],
  ]);
}

/** `steps` steps on `scenes` scenes; afterwards w has a standard deviation of 1 in each direction. */
export function mappingStage(
  a: Architecture,
  { seed, steps, scenes }: { seed: number; steps: number; scenes: number },
): Stage {
  const latents = () => new StepRandom(seed, -1).normals(scenes * a.zSize);
  return {
    name: "mapping",
    end: steps,
    open: async (gpu) => openStage(a, await goalsOf(gpu, a, latents()), { seed, steps }),
    finish: (gpu, state) => scaleToUnit(gpu, a, state, latents()),
  };
}

function openStage(
  a: Architecture,
  known: Goals,
  { seed, steps }: { seed: number; steps: number },
): OpenStage {
  const leaves = photoLeaves(a);
  const head = {
    "head.weight": weightLeaf("head.weight", [GOALS, a.wSize]),
    "head.bias": weightLeaf("head.bias", [GOALS]),
  };
  const w = mapping(leaves.parameters, a, input("z", [BATCH, a.zSize]));
  const told = add(
    matmul({ a: w, b: head["head.weight"] }, { transposeB: true }),
    head["head.bias"],
  );
  const loss = mean(square(sub(told, input("goals", [BATCH, GOALS]))));
  return {
    problem: {
      loss,
      groups: [{
        leaves: { ...leaves.mapping, ...head },
        rule: "adam",
        rate: 1,
        decay: 0,
        since: 0,
      }],
      adam: ADAM,
      meansSince: 0,
    },
    pictures: 0,
    inputs(step) {
      const random = new StepRandom(seed, step);
      const count = known.z.length / a.zSize;
      const picked = Array.from({ length: BATCH }, () => random.whole(count));
      const rows = (data: Float32Array, width: number) =>
        joined(picked.map((i) => data.subarray(i * width, (i + 1) * width)));
      return { z: rows(known.z, a.zSize), goals: rows(known.goals, GOALS) };
    },
    rate: (step) => PEAK * rampAndFall(step, steps),
  };
}

/** Rises over the first 65th of the steps, stays at 1, and falls to zero over the last third. */
export function rampAndFall(step: number, steps: number): number {
  return Math.min(1, 65 * (step + 1) / steps, Math.max(0.002, 3 * (1 - step / steps)));
}

/** The attributes and the leading components of the photo of each latent. */
async function goalsOf(gpu: Gpu, a: Architecture, z: Float32Array<ArrayBuffer>): Promise<Goals> {
  const n = z.length / a.zSize;
  const latents = Array.from({ length: n }, (_, i) => z.subarray(i * a.zSize, (i + 1) * a.zSize));
  const photos = joined(latents.map((one) => drawPlanes(drawLayers(one), "photo", SIDE)));
  const d = 3 * SIDE * SIDE;
  const along = await principalCoordinates(gpu, photos, { n, d, count: COMPONENTS });
  const deviations = Array.from({ length: COMPONENTS }, (_, k) => {
    let energy = 0;
    for (let i = k; i < along.length; i += COMPONENTS) energy += along[i]! ** 2 / n;
    return Math.sqrt(energy);
  });
  const goals = latents.map((one, i) => {
    const scene = sceneFromLatent(one);
    return Float32Array.from({ length: GOALS }, (_, k) => {
      // Uniform from 0 to 1: a standard deviation of the root of 1/12.
      if (k < ATTRIBUTES.length) return (scene[ATTRIBUTES[k]!] - 0.5) * Math.sqrt(12);
      const c = k - ATTRIBUTES.length;
      // The square root of their share: large changes first, yet not those alone.
      return along[i * COMPONENTS + c]! / Math.sqrt(deviations[c]! * deviations[0]!);
    });
  });
  return { z, goals: joined(goals) };
}

/**
 * The weights without the head. A leaky ReLU commutes with positive factors, so those of the last
 * layer give w itself a deviation of 1; else colours would start out wild.
 */
async function scaleToUnit(
  gpu: Gpu,
  a: Architecture,
  state: TrainState,
  z: Float32Array<ArrayBuffer>,
): Promise<TrainState> {
  const weights = ofKind(state, "weight");
  const { deviation } = await statisticsOfW(gpu, a, weights, z);
  const last = `style.${a.mappingDepth}`;
  for (const name of [`${last}.weight`, `${last}.bias`]) {
    const { shape, data } = weights.get(name)!;
    const each = data.length / a.wSize;
    const scaled = data.map((value, i) => value / deviation[Math.floor(i / each)]!);
    weights.set(name, { shape, data: scaled });
  }
  weights.delete("head.weight");
  weights.delete("head.bias");
  return { ...startState(weights), step: state.step };
}
