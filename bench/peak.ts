/** What an adapter reaches at most: the measure of everything else. */
import { Profiler } from "../lib/gpu/profiler.ts";
import type { BufferRange, Gpu } from "../lib/gpu/device.ts";
import { Replay } from "../lib/gpu/replay.ts";
import copyWgsl from "./copy.wgsl" with { type: "text" };
import fmaWgsl from "./fma.wgsl" with { type: "text" };

export interface Peak {
  /** f32 multiplications and additions a second. */
  readonly operations: number;
  /** Bytes a second, read and written. */
  readonly bytes: number;
}

/** Threads of both kernels: as many as fill a GPU. */
const THREADS = 2 ** 16;
/** Multiply-adds of a thread in a round of fma.wgsl, of two operations each. */
const MULTIPLY_ADDS = 64;
/** Far above any cache, and what every adapter binds. */
const COPIED_BYTES = 2 ** 27;
/** A run is short and repeated for so long, so that one meets a quiet moment of a busy machine. */
const SECONDS = 1.5;
const MIN_REPEATS = 5;

/** Measures both; takes some seconds on a CPU. */
export async function measurePeak(gpu: Gpu): Promise<Peak> {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const range = (bytes: number, label: string): BufferRange => ({
    buffer: gpu.allocate(bytes, usage, label),
    offset: 0,
    bytes,
  });
  const [sums, from, to] = [
    range(4 * THREADS, "sums"),
    range(COPIED_BYTES, "source"),
    range(COPIED_BYTES, "copy"),
  ];
  const rounds = gpu.kind === "cpu" ? 16 : 4096;
  try {
    const arithmetic = await kernelSeconds(gpu, fmaWgsl, Uint32Array.of(rounds), [sums]);
    const params = Uint32Array.of(COPIED_BYTES / 16, THREADS);
    const movement = await kernelSeconds(gpu, copyWgsl, params, [from, to]);
    return {
      operations: 2 * THREADS * MULTIPLY_ADDS * rounds / arithmetic,
      // On a CPU the driver's own copy knows instructions that kernels do not get.
      bytes: 2 * COPIED_BYTES / Math.min(movement, await copySeconds(gpu, from, to)),
    };
  } finally {
    for (const { buffer } of [sums, from, to]) gpu.free(buffer);
  }
}

/** Seconds of the shortest of some runs; the first is left out, as memory is laid out in it. */
async function shortest(run: () => Promise<number>): Promise<number> {
  await run();
  const end = performance.now() + 1e3 * SECONDS;
  let best = Infinity;
  for (let k = 0; k < MIN_REPEATS || performance.now() < end; k++) {
    best = Math.min(best, await run());
  }
  return best;
}

async function kernelSeconds(
  gpu: Gpu,
  source: string,
  params: Uint32Array<ArrayBuffer>,
  ranges: readonly BufferRange[],
): Promise<number> {
  const replay = await Replay.create(gpu, [{
    label: "peak",
    source,
    params: params.buffer,
    grid: [THREADS / 64, 1, 1],
    bindings: [...ranges, null].map((range, binding) => ({ group: 0, binding, range })),
  }]);
  try {
    return await shortest(async () => {
      const profiler = gpu.profiler = new Profiler();
      await replay.submit(() => true);
      return profiler.trace().traceEvents[0]!.dur / 1e6;
    });
  } finally {
    gpu.profiler = null;
    replay.dispose();
  }
}

/** The same for the device's own copy of memory, on the host's clock. */
function copySeconds(gpu: Gpu, from: BufferRange, to: BufferRange): Promise<number> {
  return shortest(async () => {
    await gpu.idle();
    const start = performance.now();
    await gpu.copy([{ from, to }]);
    await gpu.idle();
    return (performance.now() - start) / 1e3;
  });
}
