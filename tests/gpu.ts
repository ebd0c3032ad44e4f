/** The device for tests, and one-off evaluation of graphs on it. */
import { Gpu } from "../lib/gpu/device.ts";
import type { DeviceTensor } from "../lib/graph/device_tensor.ts";
import type { Storing } from "../lib/graph/precision.ts";
import { Program } from "../lib/graph/program.ts";
import { type HostArray, numel, type Shape, type Tensor } from "../lib/graph/tensor.ts";

let opened: Promise<Gpu> | undefined;

/** The device of this test file, opened on first use and kept until the file ends. */
export function testGpu(): Promise<Gpu> {
  return opened ??= Gpu.open();
}

/** Compiles `outputs`, on the test's device or another, runs once on poisoned memory, gives values. */
export async function evaluate<Name extends string>(
  outputs: Record<Name, Tensor>,
  inputs: Record<string, HostArray> = {},
  state: Record<string, DeviceTensor> = {},
  storing: Storing = {},
  gpu?: Gpu,
): Promise<Record<Name, Float32Array>> {
  const program = await Program.compile(gpu ?? await testGpu(), { outputs, state, ...storing });
  try {
    program.poison();
    const read = Object.keys(outputs);
    return await program.run(inputs, { read }) as Record<Name, Float32Array>;
  } finally {
    program.dispose();
  }
}

/** Uniform numbers in [0, 1) from a seed (mulberry32); the same everywhere. */
export function seededRandom(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` normal numbers from a uniform source. */
export function normals(count: number, random: () => number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}

/** Normal numbers for each of some shapes, all from seeds of their own. */
export function filled(shapes: Readonly<Record<string, Shape>>) {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      normals(numel(shape), seededRandom(1 + i)),
    ]),
  );
}
