/** A fixed list of dispatches that can be submitted again and again. */
import { KernelError } from "../errors.ts";
import type { BufferRange, Gpu } from "./device.ts";
import type { DispatchTime } from "./profiler.ts";

/** One dispatch: a kernel text, its parameters and what it binds. */
export interface Dispatch {
  /** Kernel and shapes, for errors and profiles. */
  readonly label: string;
  readonly source: string;
  readonly params: ArrayBuffer;
  readonly grid: readonly [number, number, number];
  /** A null range stands for the parameters. */
  readonly bindings: readonly { group: number; binding: number; range: BufferRange | null }[];
}

interface Prepared {
  readonly pipeline: GPUComputePipeline;
  readonly groups: readonly GPUBindGroup[];
  readonly grid: readonly [number, number, number];
}

/** Uniform bindings must begin at multiples of this. */
const PARAMS_ALIGNMENT = 256;

/** WebGPU allows 4,096 queries in a set, two for each dispatch. */
const DISPATCHES_PER_QUERY_SET = 2048;

/** Compiling keeps the thread busy: after so long, others have their turn. */
const BUSY_MS = 20;

export class Replay {
  /** Which dispatches the last run submitted, and whether the one before submitted the same. */
  #last: readonly number[] = [];
  #repeats = false;
  /** Some of these once more, encoded while the device was busy. */
  #ahead: { readonly chosen: readonly number[]; readonly commands: GPUCommandBuffer } | null = null;

  private constructor(
    private readonly gpu: Gpu,
    private readonly params: GPUBuffer,
    private readonly dispatches: readonly Dispatch[],
    private readonly prepared: readonly Prepared[],
  ) {}

  /**
   * Compiles the pipelines and binds everything; errors name the dispatch. Aborting `signal` ends
   * that after the pipeline it is at.
   */
  static async create(
    gpu: Gpu,
    dispatches: readonly Dispatch[],
    signal?: AbortSignal,
  ): Promise<Replay> {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    let end = 0;
    const offsets = dispatches.map((dispatch) => {
      const offset = end;
      end += Math.ceil(dispatch.params.byteLength / PARAMS_ALIGNMENT) * PARAMS_ALIGNMENT;
      return offset;
    });
    const params = gpu.allocate(end, usage, "parameters");
    try {
      const image = new Uint8Array(end);
      dispatches.forEach((d, i) => image.set(new Uint8Array(d.params), offsets[i]));
      gpu.write({ buffer: params, offset: 0, bytes: image.length }, image);
      const prepared: Prepared[] = [];
      let begun = performance.now();
      for (const [i, dispatch] of dispatches.entries()) {
        const bytes = dispatch.params.byteLength;
        const range = { buffer: params, offset: offsets[i]!, bytes };
        prepared.push(await prepare(gpu, dispatch, range));
        if (performance.now() - begun < BUSY_MS) continue;
        await new Promise((resolve) => setTimeout(resolve, 0));
        signal?.throwIfAborted();
        begun = performance.now();
      }
      return new Replay(gpu, params, dispatches, prepared);
    } catch (error) {
      gpu.free(params);
      throw error;
    }
  }

  /** Submits the dispatches that `enabled` agrees to; timed, if the device has a profiler. */
  async submit(enabled: (index: number) => boolean): Promise<void> {
    const chosen = this.prepared.keys().filter(enabled).toArray();
    if (chosen.length === 0) return;
    const { profiler } = this.gpu;
    if (!profiler) {
      this.#repeats = chosen.length === this.#last.length &&
        chosen.every((index, k) => index === this.#last[k]);
      if (!this.#repeats) this.#last = chosen;
      const ahead = this.#ahead?.chosen === this.#last ? this.#ahead.commands : null;
      this.#ahead = null;
      return await this.#submitAll(chosen, ahead);
    }
    profiler.record(
      this.gpu.hasTimestamps ? await this.#timestamped(chosen) : await this.#oneByOne(chosen),
    );
  }

  /**
   * Encodes what was submitted last once more, if it was submitted twice on end: a third run then has
   * nothing to do but to submit it. To be called as long as the device is busy.
   */
  async encodeAhead(): Promise<void> {
    if (!this.#repeats || this.#ahead || this.gpu.profiler) return;
    const chosen = this.#last;
    const commands = await this.gpu.scoped(() => Promise.resolve(this.#encoded(chosen)));
    this.#ahead = { chosen, commands };
  }

  #submitAll(chosen: readonly number[], ahead: GPUCommandBuffer | null = null): Promise<void> {
    return this.gpu.scoped(() => {
      this.gpu.device.queue.submit([ahead ?? this.#encoded(chosen)]);
      return Promise.resolve();
    });
  }

  #encoded(chosen: readonly number[]): GPUCommandBuffer {
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const index of chosen) encode(pass, this.prepared[index]!);
    pass.end();
    return encoder.finish();
  }

  /** Each dispatch in a pass of its own with timestamps around it. */
  async #timestamped(chosen: readonly number[]): Promise<DispatchTime[]> {
    const times: DispatchTime[] = [];
    for (let start = 0; start < chosen.length; start += DISPATCHES_PER_QUERY_SET) {
      const part = chosen.slice(start, start + DISPATCHES_PER_QUERY_SET);
      times.push(...await this.#timestampedPart(part));
    }
    return times;
  }

  async #timestampedPart(chosen: readonly number[]): Promise<DispatchTime[]> {
    const { device } = this.gpu;
    const querySet = device.createQuerySet({ type: "timestamp", count: 2 * chosen.length });
    const bytes = 16 * chosen.length;
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    const resolved = this.gpu.allocate(bytes, usage, "timestamps");
    try {
      await this.gpu.scoped(() => {
        const encoder = device.createCommandEncoder();
        chosen.forEach((index, k) => {
          const pass = encoder.beginComputePass({
            timestampWrites: {
              querySet,
              beginningOfPassWriteIndex: 2 * k,
              endOfPassWriteIndex: 2 * k + 1,
            },
          });
          encode(pass, this.prepared[index]!);
          pass.end();
        });
        encoder.resolveQuerySet(querySet, 0, 2 * chosen.length, resolved, 0);
        device.queue.submit([encoder.finish()]);
        return Promise.resolve();
      });
      const [data] = await this.gpu.read([{ buffer: resolved, offset: 0, bytes }]);
      const stamps = new BigUint64Array(data!);
      const us = (stamp: bigint) => Number(stamp - stamps[0]!) / 1000;
      return chosen.map((index, k) => ({
        label: this.dispatches[index]!.label,
        startUs: us(stamps[2 * k]!),
        durationUs: us(stamps[2 * k + 1]!) - us(stamps[2 * k]!),
      }));
    } finally {
      this.gpu.free(resolved);
      querySet.destroy();
    }
  }

  /** Without timestamps: each dispatch alone, timed by the host, its overhead included. */
  async #oneByOne(chosen: readonly number[]): Promise<DispatchTime[]> {
    await this.gpu.idle();
    const origin = performance.now();
    const times: DispatchTime[] = [];
    for (const index of chosen) {
      const start = performance.now();
      await this.#submitAll([index]);
      await this.gpu.idle();
      times.push({
        label: this.dispatches[index]!.label,
        startUs: 1000 * (start - origin),
        durationUs: 1000 * (performance.now() - start),
      });
    }
    return times;
  }

  dispose(): void {
    this.#ahead = null;
    this.gpu.free(this.params);
  }
}

async function prepare(gpu: Gpu, dispatch: Dispatch, params: BufferRange): Promise<Prepared> {
  const { label, source, bindings } = dispatch;
  const groupCount = Math.max(...bindings.map((b) => b.group)) + 1;
  const byGroup = Array.from(
    { length: groupCount },
    (_, group) => bindings.filter((b) => b.group === group),
  );
  const pipeline = await gpu.pipeline({
    label,
    source,
    layout: byGroup.map((group) =>
      group.map(({ binding, range }) => ({ binding, type: range ? "storage" : "uniform" }))
    ),
  });
  const groups = await gpu.scoped(
    () =>
      Promise.resolve(byGroup.map((group, index) =>
        gpu.device.createBindGroup({
          label,
          layout: pipeline.getBindGroupLayout(index),
          entries: group.map(({ binding, range }) => {
            const { buffer, offset, bytes } = range ?? params;
            return { binding, resource: { buffer, offset, size: bytes } };
          }),
        })
      )),
    (message) => new KernelError(`Cannot bind "${label}": ${message}`),
  );
  return { pipeline, groups, grid: dispatch.grid };
}

function encode(pass: GPUComputePassEncoder, { pipeline, groups, grid }: Prepared): void {
  pass.setPipeline(pipeline);
  groups.forEach((group, index) => pass.setBindGroup(index, group));
  pass.dispatchWorkgroups(...grid);
}
