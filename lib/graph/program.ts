/** Compiled programs: planned once, replayed many times without allocation or shape logic. */
import { ShapeError } from "../errors.ts";
import type { BufferRange, Gpu, Limits } from "../gpu/device.ts";
import { Replay } from "../gpu/replay.ts";
import type { DeviceTensor } from "./device_tensor.ts";
import { planProgram, type ProgramPlan, type ProgramSpec } from "./plan.ts";
import { type HostArray, numel, sameShape, type Tensor } from "./tensor.ts";
import { Tuning } from "./tuning.ts";

const SCRATCH = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;

export interface CompileSpec extends ProgramSpec {
  /** Where the values of each state leaf live, by its name. */
  readonly state?: Readonly<Record<string, DeviceTensor>>;
  /** Which kernels to take, in place of those that were measured to be the fastest: see `Limits`. */
  readonly fastest?: Limits["fastest"];
}

/** Every input's values, by its name. */
export type Inputs = Readonly<Record<string, HostArray>>;

export interface RunOptions {
  /** Outputs to read back, by name; none when left out. */
  readonly read?: readonly string[];
  /** Update groups to leave out in this run, with all that only they need. */
  readonly skip?: ReadonlySet<string>;
  /**
   * The inputs of the run after this one, where they are known and nobody else changes a state before
   * it. As much of it as changes no state is then submitted before the results of this one are waited
   * for, so that the device goes on meanwhile. A run of other inputs, or one that skips something
   * else, may come next all the same: it is then begun anew.
   */
  readonly next?: Inputs | null;
}

export class Program {
  /** The run of which the leading launches were submitted, and no more. */
  #begun: { readonly inputs: Inputs; readonly skip: ReadonlySet<string> } | null = null;

  private constructor(
    private readonly gpu: Gpu,
    readonly plan: ProgramPlan,
    /** The launches before the first that changes a state, and the others. */
    private readonly leading: Replay,
    private readonly rest: Replay,
    private readonly scratch: readonly GPUBuffer[],
    private readonly constants: readonly GPUBuffer[],
    private readonly range: (tensor: Tensor) => BufferRange,
  ) {}

  /** Plans and compiles; afterwards nothing is left to do but to run. `signal` ends it early. */
  static async compile(gpu: Gpu, spec: CompileSpec, signal?: AbortSignal): Promise<Program> {
    const fastest = spec.fastest ?? gpu.limits.fastest ?? (await Tuning.of(gpu)).fastest;
    const plan = planProgram(spec, gpu.kind, { ...gpu.limits, fastest });
    gpu.assertFits(plan.scratchBytes, "a program");
    const states = new Map([...plan.states].map(([name, leaf]) => {
      const value = spec.state?.[name];
      if (!value || !sameShape(value.shape, leaf.shape)) {
        const found = value ? `it has shape [${value.shape}]` : "it was not given";
        throw new ShapeError(`Cannot bind state "${name}" of shape [${leaf.shape}]: ${found}`);
      }
      return [leaf, value.range];
    }));
    const allocated: GPUBuffer[] = [];
    using replays = new DisposableStack();
    try {
      const { scratch, constants } = await gpu.scoped(() => {
        const allocate = (bytes: number, label: string) => {
          const buffer = gpu.allocate(bytes, SCRATCH, label);
          allocated.push(buffer);
          return buffer;
        };
        return Promise.resolve({
          scratch: plan.memory.arenas.map((bytes, i) => allocate(bytes, `scratch ${i}`)),
          constants: plan.constants.map((leaf) => allocate(4 * numel(leaf.shape), "constant")),
        });
      });
      const constantRange = new Map(plan.constants.map((leaf, i): [Tensor, BufferRange] => {
        const range = { buffer: constants[i]!, offset: 0, bytes: 4 * numel(leaf.shape) };
        if (leaf.source.kind === "constant") gpu.write(range, leaf.source.data);
        return [leaf, range];
      }));
      const range = (tensor: Tensor): BufferRange => {
        const fixed = states.get(tensor) ?? constantRange.get(tensor);
        if (fixed) return fixed;
        const { arena, offset } = plan.memory.places.get(tensor)!;
        return { buffer: scratch[arena]!, offset, bytes: 4 * numel(tensor.shape) };
      };
      const dispatches = plan.launches.map(({ label, source, params, grid, bindings }) => ({
        label: `${label} ${describeShapes(bindings)}`,
        source,
        params,
        grid,
        bindings: bindings.map(({ group, binding, tensor, offset, bytes }) => ({
          group,
          binding,
          range: tensor && part(range(tensor), offset, bytes),
        })),
      }));
      const replay = async (some: typeof dispatches) =>
        replays.adopt(await Replay.create(gpu, some, signal), (made) => made.dispose());
      const leading = await replay(dispatches.slice(0, plan.leading));
      const rest = await replay(dispatches.slice(plan.leading));
      replays.move();
      return new Program(gpu, plan, leading, rest, scratch, constants, range);
    } catch (error) {
      allocated.forEach((buffer) => gpu.free(buffer));
      throw error;
    }
  }

  /** Runs once. `inputs` gives every input by name; returns the outputs named in `read`. */
  async run(
    inputs: Inputs = {},
    { read = [], skip = new Set(), next = null }: RunOptions = {},
  ): Promise<Record<string, Float32Array>> {
    const begun = this.#begun;
    this.#begun = null;
    if (begun?.inputs !== inputs || begun.skip.symmetricDifference(skip).size > 0) {
      await this.#begin(inputs, skip);
    }
    await this.rest.submit((i) => this.#isWanted(this.plan.leading + i, skip));
    const [results] = await Promise.all([
      this.gpu.read(read.map((name) => this.range(this.#output(name)))),
      this.#meanwhile(next, skip),
    ]);
    return Object.fromEntries(read.map((name, i) => [name, new Float32Array(results[i]!)]));
  }

  /** Writes the inputs of a run and submits what of it changes no state. */
  async #begin(inputs: Inputs, skip: ReadonlySet<string>): Promise<void> {
    for (const [name, leaf] of this.plan.inputs) {
      const data = inputs[name];
      if (data?.length !== numel(leaf.shape)) {
        const found = data ? `${data.length} values` : "nothing";
        throw new ShapeError(`Cannot run: input "${name}" of shape [${leaf.shape}] got ${found}`);
      }
      this.gpu.write(this.range(leaf), data);
    }
    await this.leading.submit((i) => this.#isWanted(i, skip));
  }

  /** What is done while the device is busy with a run. */
  async #meanwhile(next: Inputs | null, skip: ReadonlySet<string>): Promise<void> {
    if (next) {
      await this.#begin(next, skip);
      this.#begun = { inputs: next, skip };
    }
    await Promise.all([this.rest.encodeAhead(), this.leading.encodeAhead()]);
  }

  #isWanted(launch: number, skip: ReadonlySet<string>): boolean {
    return this.plan.launches[launch]!.groups?.isSubsetOf(skip) !== true;
  }

  /** Fills scratch memory with NaN: what a run fails to write then shows in its results. */
  poison(): void {
    for (const buffer of this.scratch) {
      // All bits set are NaN in f32, and both halves are in f16.
      const data = new Uint32Array(buffer.size / 4).fill(0xffffffff);
      this.gpu.write({ buffer, offset: 0, bytes: buffer.size }, data);
    }
  }

  /** Frees all that the program holds; states live on. */
  dispose(): void {
    this.leading.dispose();
    this.rest.dispose();
    for (const buffer of [...this.scratch, ...this.constants]) this.gpu.free(buffer);
  }

  #output(name: string): Tensor {
    const node = this.plan.outputs.get(name);
    if (!node) throw new ShapeError(`Cannot read "${name}": the program has no such output`);
    return node;
  }
}

/** Part of a tensor's range. */
function part(range: BufferRange, offset: number, bytes: number): BufferRange {
  return { buffer: range.buffer, offset: range.offset + offset, bytes };
}

/** Shapes of what a launch binds, for messages: "[2,3] [3] -> [2,3]" without repeating sizes. */
function describeShapes(bindings: readonly { tensor: Tensor | null }[]): string {
  return bindings.flatMap(({ tensor }) => tensor ? [`[${tensor.shape}]`] : []).join(" ");
}
