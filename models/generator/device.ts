/** A generator's weights on the device, for programs to share. */
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { mean } from "../../lib/graph/ops/mod.ts";
import { Program } from "../../lib/graph/program.ts";
import { input } from "../../lib/graph/tensor.ts";
import { release } from "../../lib/release.ts";
import { RandomState } from "../../lib/random/numpy.ts";
import { type Architecture, generatorOf } from "./families.ts";
import { type HostTensor, leavesOf, type Weights } from "./generator.ts";

/** Samples behind an estimated mean w, as many as the reference takes, and the seed of their z. */
const MEAN_SAMPLES = 4096;
const MEAN_SEED = 0;

export interface DeviceGenerator<A extends Architecture = Architecture> {
  readonly architecture: A;
  /** By name: every parameter, what is fixed, and the mean w "latent_avg". */
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
}

/**
 * Puts a generator on the device. A checkpoint without a mean w gets that of 4096 samples, z =
 * `numpy.random.RandomState(0).randn(4096, zSize)`.
 */
export async function uploadGenerator<A extends Architecture>(
  gpu: Gpu,
  weights: Weights<A>,
): Promise<DeviceGenerator<A>> {
  const tensors: Record<string, DeviceTensor> = {};
  try {
    // One after the other, so that no more than one is in memory.
    for (const [name, { shape, read }] of [...weights.parameters, ...weights.fixed]) {
      const data = await read();
      await gpu.scoped(() => {
        tensors[name] = new DeviceTensor(gpu, shape, name, data);
        return Promise.resolve();
      });
      release(data);
      await gpu.settle();
    }
    const { architecture } = weights;
    const average = await weights.latentAvg?.read() ??
      await estimateMeanW(gpu, { architecture, tensors });
    tensors.latent_avg = new DeviceTensor(gpu, [architecture.wSize], "latent_avg", average);
    return { architecture, tensors };
  } catch (error) {
    Object.values(tensors).forEach((tensor) => tensor.dispose());
    throw error;
  }
}

export function disposeGenerator({ tensors }: DeviceGenerator): void {
  Object.values(tensors).forEach((tensor) => tensor.dispose());
}

/** Reads the parameters back, by name; not what is fixed and the mean. */
export async function readParameters(
  { architecture, tensors }: DeviceGenerator,
): Promise<Map<string, HostTensor>> {
  const shapes = [...generatorOf(architecture).parameterShapes];
  const values = await Promise.all(shapes.map(([name]) => tensors[name]!.read()));
  return new Map(shapes.map(([name, shape], i) => [name, { shape, data: values[i]! }]));
}

/** Mean w `[wSize]` over samples from a fixed seed. */
export async function estimateMeanW(
  gpu: Gpu,
  { architecture, tensors }: DeviceGenerator,
): Promise<Float32Array<ArrayBuffer>> {
  const z = input("z", [MEAN_SAMPLES, architecture.zSize]);
  const generator = generatorOf(architecture);
  const w = generator.mapping(leavesOf(generator), z);
  const program = await Program.compile(gpu, { outputs: { mean: mean(w, [0]) }, state: tensors });
  try {
    const data = new RandomState(MEAN_SEED).randn(MEAN_SAMPLES * architecture.zSize);
    const { mean } = await program.run({ z: Float32Array.from(data) }, { read: ["mean"] });
    return Float32Array.from(mean!);
  } finally {
    program.dispose();
  }
}
