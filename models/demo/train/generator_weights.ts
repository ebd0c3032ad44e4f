/** The generator's parameters while it is trained, and as its files hold them. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { mul } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, input, numel, type Tensor } from "../../../lib/graph/tensor.ts";
import { type Architecture, parameterShapes } from "../../stylegan2/architecture.ts";
import type { Parameters } from "../../generator/generator.ts";
import { mapping } from "../../stylegan2/generator.ts";
import { weightLeaf } from "./optimiser.ts";
import type { StepRandom } from "./random.ts";
import type { Values } from "./values.ts";

/**
 * The layout keeps the mapping network's parameters divided by their learning rate factor, 0.01.
 * Here they are what they are used as, so that one optimiser suits all.
 */
const STORED = 100;

const isMapping = (name: string) => name.startsWith("style.");
const isNoise = (name: string) => name.endsWith(".noise.weight");

/** Names and shapes of what is trained: all but the noise strengths, which stay zero. */
function trainedShapes(a: Architecture) {
  return new Map([...parameterShapes(a)].filter(([name]) => !isNoise(name)));
}

/** Standard normal weights, which the layout scales where they are used; no biases. */
export function initialGenerator(a: Architecture, random: StepRandom): Map<string, Values> {
  return new Map(
    trainedShapes(a).entries().map(([name, shape]): [string, Values] => {
      const count = numel(shape);
      if (name.endsWith("modulation.bias")) {
        return [name, { shape, data: new Float32Array(count).fill(1) }];
      }
      const data = name.endsWith("bias") ? new Float32Array(count) : random.normals(count);
      return [name, { shape, data }];
    }),
  );
}

export interface GeneratorLeaves {
  /** As graphs take them. */
  readonly parameters: Parameters;
  readonly mapping: Record<string, Tensor>;
  /** The rest of what is trained. */
  readonly synthesis: Record<string, Tensor>;
}

export function generatorLeaves(a: Architecture): GeneratorLeaves {
  const parameters: Record<string, Tensor> = {};
  const leaves: GeneratorLeaves = { parameters, mapping: {}, synthesis: {} };
  for (const [name, shape] of parameterShapes(a)) {
    if (isNoise(name)) {
      parameters[name] = constant(0);
      continue;
    }
    const leaf = weightLeaf(name, shape);
    leaves[isMapping(name) ? "mapping" : "synthesis"][name] = leaf;
    parameters[name] = isMapping(name) ? mul(leaf, STORED) : leaf;
  }
  return leaves;
}

/** What a file of the generator holds, noise strengths and mean w included. */
export function storedGenerator(
  a: Architecture,
  weights: ReadonlyMap<string, Values>,
  meanW: Float32Array<ArrayBuffer>,
): Map<string, Values> {
  const stored = parameterShapes(a).entries().map(([name, shape]): [string, Values] => {
    const data = weights.get(name)?.data ?? new Float32Array(numel(shape));
    return [name, { shape, data: isMapping(name) ? data.map((value) => STORED * value) : data }];
  });
  return new Map([...stored, ["latent_avg", { shape: [a.wSize], data: meanW }]]);
}

/** Mean and standard deviation of w `[wSize]` over latents z `[n, zSize]`. */
export async function statisticsOfW(
  gpu: Gpu,
  a: Architecture,
  weights: ReadonlyMap<string, Values>,
  z: Float32Array<ArrayBuffer>,
): Promise<Record<"mean" | "deviation", Float32Array<ArrayBuffer>>> {
  const n = z.length / a.zSize;
  const parameters = storedGenerator(a, weights, new Float32Array(a.wSize)).entries()
    .filter(([name]) => isMapping(name))
    .map(([name, { shape, data }]) => [name, constant(data, shape)]);
  const w = mapping(Object.fromEntries(parameters), a, input("z", [n, a.zSize]));
  const program = await Program.compile(gpu, { outputs: { w } });
  const values = (await program.run({ z }, { read: ["w"] })).w!;
  program.dispose();

  const mean = new Float64Array(a.wSize);
  const square = new Float64Array(a.wSize);
  values.forEach((value, i) => {
    mean[i % a.wSize]! += value / n;
    square[i % a.wSize]! += value * value / n;
  });
  return {
    mean: Float32Array.from(mean),
    deviation: Float32Array.from(square, (value, i) => Math.sqrt(value - mean[i]! ** 2)),
  };
}
