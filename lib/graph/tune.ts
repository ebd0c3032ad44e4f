/** Measures which of the kernels that can compute a call is the fastest on a device. */
import { DeviceLostError, GpuError, KernelError } from "../errors.ts";
import type { Gpu } from "../gpu/device.ts";
import { Profiler } from "../gpu/profiler.ts";
import { callText } from "./codegen.ts";
import { DeviceTensor } from "./device_tensor.ts";
import { application } from "./fuse.ts";
import { limitsFor, planProgram, type ProgramSpec } from "./plan.ts";
import type { Storing } from "./precision.ts";
import { Program } from "./program.ts";
import { numel, type Shape, state, Tensor } from "./tensor.ts";
import { Tuning } from "./tuning.ts";
import { wayOf, waysOf } from "./ways.ts";

/** A call, the kernel that it is given, and the times of all, the fastest first. */
export interface Measured {
  readonly call: string;
  readonly chosen: string;
  readonly times: readonly { readonly kernel: string; readonly us: number }[];
}

export interface TuneOptions {
  /** No call is begun after so many seconds. */
  readonly seconds?: number;
  readonly onMeasured?: (measured: Measured) => void;
  /** Told before the first of `of` calls, and after each. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
  /** Waits until nobody else uses the device; each call is measured in a turn of its own. */
  readonly takeTurn?: (() => Promise<Disposable>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures the calls of a program for which that has not been done, the largest first, and keeps what
 * is found; says whether that went well. Each kernel runs alone: what is fused into it in the program
 * is left out.
 */
export async function tune(
  gpu: Gpu,
  spec: ProgramSpec,
  { seconds = Infinity, onMeasured, onProgress, takeTurn, signal }: TuneOptions = {},
): Promise<boolean> {
  const end = performance.now() + 1000 * seconds;
  const tuning = await Tuning.of(gpu);
  // Whatever is taken, so that no call is one that other ops have replaced.
  const byKernels = { ...gpu.limits, fastest: (_: string, [first]: readonly string[]) => first };
  const { calls } = planProgram(spec, gpu.kind, byKernels);
  const limits = limitsFor(spec, gpu.kind, gpu.limits);
  const open = new Map(
    calls.filter((call) => waysOf(call, gpu.kind, limits).length > 1)
      .map((call): [string, Tensor] => [callText(call, limits), call])
      .filter(([text]) => tuning.fastest(text) === undefined),
  );
  const ordered = [...open].sort(([, a], [, b]) => operationsOf(b) - operationsOf(a));
  for (const [i, [text, call]] of ordered.entries()) {
    signal?.throwIfAborted();
    if (performance.now() > end) break;
    if (i === 0) onProgress?.(0, ordered.length);
    const times = await inTurn(takeTurn, () => measure(gpu, call, spec));
    onProgress?.(i + 1, ordered.length);
    if (times.length === 0) continue; // no memory for it now
    const counted = wayOf(call, gpu.kind, { ...limits, fastest: () => undefined });
    const usual = times.find(({ kernel }) => kernel === counted?.name);
    const chosen = (usual && usual.us <= MARGIN * times[0]!.us ? usual : times[0]!).kernel;
    tuning.add(text, chosen);
    onMeasured?.({ call: text, chosen, times });
  }
  return ordered.length === 0 || await tuning.save();
}

async function inTurn<T>(takeTurn: TuneOptions["takeTurn"], body: () => Promise<T>): Promise<T> {
  using _ = await takeTurn?.() ?? null;
  return await body();
}

function operationsOf(node: Tensor): number {
  const { op, inputs, attrs } = application(node);
  return numel(node.shape) * (op.kind === "kernel" ? op.operations?.(inputs, attrs) ?? 1 : 1);
}

/** Each kernel runs so many times, in turns with the others; the shortest time counts. */
const RUNS = 4;
/** One that takes so many times as long as the best takes no further turn. */
const HOPELESS = 1.5;
/** The kernel of the least counted cost is taken unless another is faster by this. */
const MARGIN = 1.05;

/** Times the kernels of a call, the fastest first; those that the device refuses are left out. */
async function measure(
  gpu: Gpu,
  call: Tensor,
  { precision = "f32" }: Storing,
): Promise<Measured["times"]> {
  const { op, inputs, attrs } = application(call);
  const leaves = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, dtype }]) => [name, state(name, shape, dtype)]),
  );
  const out = new Tensor(call.shape, call.dtype, { kind: "op", op, inputs: leaves, attrs });
  const limits = limitsFor({ precision }, gpu.kind, gpu.limits);
  const values: Record<string, DeviceTensor> = {};
  const tried: { readonly kernel: string; readonly program: Program; us: number }[] = [];
  try {
    await gpu.scoped(() => {
      for (const [name, { shape }] of Object.entries(inputs)) {
        values[name] = new DeviceTensor(gpu, shape, name, anyValues(shape));
      }
      return Promise.resolve();
    });
    for (const { name: kernel } of waysOf(call, gpu.kind, limits)) {
      const spec = { outputs: { out }, state: values, fastest: () => kernel, precision };
      const program = await Program.compile(gpu, spec).catch(unlessLost);
      if (program) tried.push({ kernel, program, us: Infinity });
    }
    for (const { program } of tried) await program.run(); // the first run touches memory
    for (let run = 0; run < RUNS; run++) {
      const best = Math.min(...tried.map(({ us }) => us));
      for (const one of tried) {
        if (run > 0 && one.us > HOPELESS * best) continue;
        one.us = Math.min(one.us, await microseconds(gpu, one.program));
      }
    }
  } catch (error) {
    unlessLost(error);
  } finally {
    tried.forEach(({ program }) => program.dispose());
    Object.values(values).forEach((tensor) => tensor.dispose());
  }
  return tried.filter(({ us }) => us < Infinity).map(({ kernel, us }) => ({ kernel, us }))
    .sort((a, b) => a.us - b.us);
}

/** Passes by what a device refuses: a kernel, or more memory. */
function unlessLost(error: unknown): undefined {
  if (!(error instanceof GpuError || error instanceof KernelError)) throw error;
  if (error instanceof DeviceLostError) throw error;
}

/** How long a run keeps the device busy. */
async function microseconds(gpu: Gpu, program: Program): Promise<number> {
  const kept = gpu.profiler;
  try {
    gpu.profiler = new Profiler();
    await program.run();
    return gpu.profiler.totalUs;
  } finally {
    gpu.profiler = kept;
  }
}

/** Values around 0, all different within a stretch: their size does not change what a kernel does. */
function anyValues(shape: Shape): Float32Array<ArrayBuffer> {
  const values = new Float32Array(numel(shape));
  const stretch = Math.min(values.length, 65537);
  for (let i = 0; i < stretch; i++) values[i] = Math.sin(i * i);
  for (let end = stretch; end < values.length; end *= 2) values.copyWithin(end, 0, end);
  return values;
}
