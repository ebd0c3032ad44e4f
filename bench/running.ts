/** Cases on the device, ready to be run again and again. */
import type { Gpu } from "../lib/gpu/device.ts";
import { Profiler } from "../lib/gpu/profiler.ts";
import { DeviceTensor } from "../lib/graph/device_tensor.ts";
import { planProgram } from "../lib/graph/plan.ts";
import { Program } from "../lib/graph/program.ts";
import { type HostArray, type Tensor } from "../lib/graph/tensor.ts";
import { type Case, type MadeUp, madeUp, NORMAL } from "./case.ts";
import type { KernelTime, PeerWork, Subject } from "./subject.ts";
import { kernelOf, type Work, workOf } from "./work.ts";

/** Runs that are timed dispatch by dispatch: at most so many, and none begins after so long. */
const KERNEL_RUNS = 16;
const KERNEL_SECONDS = 4;

export class Running implements Subject {
  readonly images: number | undefined;
  readonly deviceOnly: boolean;
  readonly peer: PeerWork | null;

  private constructor(
    private readonly test: Case,
    private readonly gpu: Gpu,
    private readonly program: Program,
    private readonly states: Readonly<Record<string, DeviceTensor>>,
    private readonly inputs: Readonly<Record<string, HostArray>>,
    tensors: readonly MadeUp[],
    result: number,
    readonly work: Work,
    /** Device memory that is held while the case runs. */
    readonly memoryBytes: number,
  ) {
    this.images = test.images;
    this.deviceOnly = test.clock === "device" && gpu.hasTimestamps;
    const read = test.read !== undefined;
    this.peer = test.peer && { work: test.peer, tensors, read, result };
  }

  /** Compiles the case and runs it once. */

  static async create(gpu: Gpu, test: Case): Promise<Running> {
    const spec = test.program();
    const plan = planProgram(spec, gpu.kind, gpu.limits);
    const before = gpu.allocated.bytes;
    const filled = (leaves: ReadonlyMap<string, Tensor>, firstSeed: number): MadeUp[] =>
      [...leaves].filter(([name]) => !(name in (test.inputs ?? {})))
        .map(([name, { shape }], i) => ({
          name,
          shape,
          seed: firstSeed + i,
          ...test.filling?.(name, shape) ?? NORMAL,
        }));
    const kept = filled(plan.states, 1);
    const given = filled(plan.inputs, 1 + kept.length);
    const states: Record<string, DeviceTensor> = {};
    for (const tensor of kept) {
      states[tensor.name] = new DeviceTensor(gpu, tensor.shape, tensor.name, madeUp(tensor));
    }
    try {
      const program = await Program.compile(gpu, { ...spec, state: states });
      const inputs = {
        ...test.inputs,
        ...Object.fromEntries(given.map((tensor) => [tensor.name, madeUp(tensor)])),
      };
      const work = workOf(program.plan.launches);
      const memory = gpu.allocated.bytes - before;
      const { [test.result]: result } = await program.run(inputs, { read: [test.result] });
      const tensors = [...kept, ...given];
      const size = rootMeanSquare(result!);
      return new Running(test, gpu, program, states, inputs, tensors, size, work, memory);
    } catch (error) {
      for (const tensor of Object.values(states)) tensor.dispose();
      throw error;
    }
  }

  /** Seconds of one run. */
  async run(): Promise<number> {
    if (this.deviceOnly) {
      return (await this.#events()).reduce((sum, { dur }) => sum + dur, 0) / 1e6;
    }
    await this.gpu.idle();
    const start = performance.now();
    await this.program.run(this.inputs, { read: this.test.read ?? [] });
    await this.gpu.idle();
    return (performance.now() - start) / 1e3;
  }

  /** Of each dispatch the shortest of some runs, added up by kernel, the longest first. */
  async byKernel(): Promise<KernelTime[]> {
    const { launches } = this.program.plan;
    const best = launches.map(() => Infinity);
    const end = performance.now() + 1e3 * KERNEL_SECONDS;
    for (let runs = 0; runs < 2 || (runs < KERNEL_RUNS && performance.now() < end); runs++) {
      (await this.#events()).forEach(({ dur }, i) => best[i] = Math.min(best[i]!, dur / 1e6));
    }
    const timed = launches.map((launch, i) => ({ launch, seconds: best[i]! }));
    const groups = Map.groupBy(timed, ({ launch }) => kernelOf(launch));
    return [...groups].map(([kernel, group]) => ({
      kernel,
      ...workOf(group.map(({ launch }) => launch)),
      seconds: group.reduce((sum, { seconds }) => sum + seconds, 0),
    })).sort((a, b) => b.seconds - a.seconds);
  }

  async #events() {
    const profiler = this.gpu.profiler = new Profiler();
    try {
      await this.program.run(this.inputs);
      return profiler.trace().traceEvents;
    } finally {
      this.gpu.profiler = null;
    }
  }

  [Symbol.dispose](): void {
    this.program.dispose();
    for (const tensor of Object.values(this.states)) tensor.dispose();
  }
}

function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
}
