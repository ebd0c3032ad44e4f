/** The device: buffers, pipelines and errors. Only this folder calls WebGPU. */
import {
  DeviceLostError,
  DeviceMemoryError,
  DoesNotFitError,
  GpuError,
  KernelError,
  UserError,
} from "../errors.ts";
import { type AdapterDescription, describeAdapter, requestAdapter } from "./adapter.ts";
import { MATRIX_DIRECTIVES, MATRIX_FEATURE, type MatrixKind, matrixKind } from "./matrix.ts";
import type { Profiler } from "./profiler.ts";

/**
 * Which kernels a device wants. "cpu": a software adapter that runs LANES invocations as one vector
 * and lets them exchange values (`subgroupShuffle`); "gpu": everything else.
 */
export type AdapterKind = "cpu" | "gpu";

/** Invocations in a vector of a "cpu" device, Mesa's with AVX; its kernels are written for it. */
export const LANES = 8;

export interface Limits {
  /** Largest range of a buffer that one kernel can bind. */
  readonly bindingBytes: number;
  readonly bufferBytes: number;
  /** Storage buffers that one kernel can bind. */
  readonly storageBuffers: number;
  /** Whether kernels may use f16; not, when left out. */
  readonly halves?: boolean;
  /** Whether threads of a subgroup may exchange values; not, when left out. */
  readonly subgroups?: boolean;
  /** Tensor cores that the adapter has; none when left out. */
  readonly tensorCores?: MatrixKind | undefined;
  /** Those that kernels may use: what they multiply they round to f16, so planning decides. */
  readonly matrix?: MatrixKind | undefined;
  /** Results of so many elements kernels may compute by products in f16, as planning decides. */
  readonly halfFrom?: number | undefined;
  /** Memory that the threads of a workgroup can share; LEAST_WORKGROUP_BYTES when left out. */
  readonly workgroupBytes?: number;
  /**
   * Whether small launches are joined to fewer; not, when left out. Software adapters begin a launch
   * in microseconds, and would take minutes to compile what is joined.
   */
  readonly joinsLaunches?: boolean;
  /**
   * Which of several kernels that can compute a call is the fastest here, where that is known. The
   * call is written as `callText` does.
   */
  readonly fastest?: (call: string, kernels: readonly string[]) => string | undefined;
}

/** What every adapter has of `Limits.workgroupBytes`. */
export const LEAST_WORKGROUP_BYTES = 16384;

/** A range of device memory. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** What a pipeline needs: its text and the kind of each binding, by group. */
export interface PipelineKey {
  readonly label: string;
  readonly source: string;
  readonly layout: readonly (readonly { binding: number; type: GPUBufferBindingType }[])[];
}

/** The device keeps a copy of what is written until the next submission: at most so much of it. */
const STAGED_BYTES = 2 ** 22;
/** And so much of what was submitted, while the device is behind, where writers wait for it. */
const UNSETTLED_BYTES = 2 ** 22;

/** What is used where the adapter has it. */
const OPTIONAL_FEATURES = ["timestamp-query", "shader-f16", MATRIX_FEATURE] as GPUFeatureName[];

/** More bindings than any launch has use for; adapters that offer fewer get less fusion. */
const WANTED_STORAGE_BUFFERS = 16;

/**
 * The kernels that NADA_KERNELS asks for in place of those that fit the adapter; behind a colon there
 * may be the end of their names, "gpu:64x64", to be taken wherever they can.
 */
function forcedKernels(adapter: GPUAdapter): AdapterKind | undefined {
  const [forced] = Deno.env.get("NADA_KERNELS")?.split(":") ?? [];
  if (forced === undefined || forced === "gpu") return forced;
  if (forced !== "cpu") {
    throw new UserError(
      `Cannot use the kernels "${forced}" of NADA_KERNELS: there are cpu and gpu`,
    );
  }
  if (hasLanes(adapter)) return forced;
  throw new UserError(
    `Cannot use the kernels of NADA_KERNELS=cpu on ${
      describeAdapter(adapter).name
    }: they are for ` +
      `software adapters with subgroups of ${LANES}; leave it out`,
  );
}

/** What programs are planned for on this machine's adapter, without opening a device on it. */
export async function planTarget(): Promise<{ name: string; kind: AdapterKind; limits: Limits }> {
  const adapter = await requestAdapter();
  const kind = forcedKernels(adapter) ?? (hasLanes(adapter) ? "cpu" : "gpu");
  return { name: describeAdapter(adapter).name, kind, limits: limitsOf(adapter) };
}

function limitsOf(adapter: GPUAdapter): Limits {
  const { limits } = adapter;
  const [, variant] = Deno.env.get("NADA_KERNELS")?.split(":") ?? [];
  return {
    ...variant && { fastest: (_, kernels) => kernels.find((name) => name.endsWith(variant)) },
    joinsLaunches: !describeAdapter(adapter).isCpu,
    halves: adapter.features.has("shader-f16"),
    tensorCores: matrixKind(adapter),
    bindingBytes: limits.maxStorageBufferBindingSize,
    bufferBytes: limits.maxBufferSize,
    storageBuffers: Math.min(limits.maxStorageBuffersPerShaderStage, WANTED_STORAGE_BUFFERS),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
  };
}

/** Whether it is a software adapter of the kind that the "cpu" kernels are written for. */
function hasLanes(adapter: GPUAdapter): boolean {
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  return describeAdapter(adapter).isCpu && subgroupMinSize === LANES && subgroupMaxSize === LANES;
}

export class Gpu {
  /** What the device holds now. */
  readonly allocated = { bytes: 0, buffers: 0 };
  /** When set, every submission is timed dispatch by dispatch, which is slower. */
  profiler: Profiler | null = null;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #live = new Map<GPUBuffer, number>();
  #lost: string | null = null;
  /** Written since the last time that staging memory was given back. */
  #stagedBytes = 0;
  #unsettledBytes = 0;

  private constructor(
    readonly device: GPUDevice,
    readonly about: AdapterDescription,
    readonly kind: AdapterKind,
    readonly limits: Limits,
    /** Whether kernels can be timed on the device itself. */
    readonly hasTimestamps: boolean,
    /** What a kernel's text has to begin with here. */
    private readonly directives: string,
    private readonly memoryBytes: number,
  ) {
    // The promise settles once, also when the device is destroyed on purpose.
    device.lost.then((info) => this.#lost = info.message || info.reason);
  }

  /**
   * Opens the best adapter; throws a GpuError with the way out when there is none. `kernels` takes
   * the place of the kind that fits the adapter, and `tested` that of its limits, so that both kinds
   * and small limits can be tested on any. `memoryBytes` is what may be allocated.
   */
  static async open(
    kernels?: AdapterKind,
    tested: Partial<Limits> = {},
    memoryBytes = Infinity,
  ): Promise<Gpu> {
    const adapter = await requestAdapter();
    const about = describeAdapter(adapter);
    const forced = forcedKernels(adapter);
    const { limits } = adapter;
    const { storageBuffers } = limitsOf(adapter);
    const hasTimestamps = adapter.features.has("timestamp-query");
    const request = (features: GPUFeatureName[]) =>
      adapter.requestDevice({
        requiredFeatures: [
          ...OPTIONAL_FEATURES.filter((f) => adapter.features.has(f)),
          ...features,
        ],
        requiredLimits: {
          maxBufferSize: limits.maxBufferSize,
          maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
          maxStorageBuffersPerShaderStage: storageBuffers,
          maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
          maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
          maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        },
      });
    // Deno has the feature without listing it, so asking is the only way to find out; nor does it
    // know the directive by which kernels say that they use it, which others insist on.
    const withSubgroups = await request(["subgroups"]).catch(() => null);
    const device = withSubgroups ?? await request([]);
    const subgroups = withSubgroups !== null;
    const kind = kernels ?? forced ?? (subgroups && hasLanes(adapter) ? "cpu" : "gpu");
    const directives = subgroups && adapter.features.has("subgroups") ? "enable subgroups;\n" : "";
    const given = { ...limitsOf(adapter), subgroups, ...tested };
    return new Gpu(device, about, kind, given, hasTimestamps, directives, memoryBytes);
  }

  get adapterName(): string {
    return this.about.name;
  }

  /**
   * Bytes that can still be allocated. Software adapters use the system's memory; a GPU does not
   * tell, and says so when it is asked for too much: null, unless a limit was given.
   */
  get availableBytes(): number | null {
    const free = this.kind === "cpu" ? Deno.systemMemoryInfo().available : Infinity;
    const least = Math.min(free, this.memoryBytes - this.allocated.bytes);
    return least === Infinity ? null : Math.max(0, least);
  }

  /** Bytes that may be allocated in all; null where nobody knows. */
  get capacityBytes(): number | null {
    const whole = this.kind === "cpu" ? Deno.systemMemoryInfo().total : Infinity;
    const least = Math.min(whole, this.memoryBytes);
    return least === Infinity ? null : least;
  }

  /** Throws a GpuError if it is known that so many bytes more cannot fit. */
  assertFits(bytes: number, label: string): void {
    const available = this.availableBytes;
    if (available === null || bytes <= available) return;
    const gib = (count: number) => (count / 2 ** 30).toFixed(1);
    throw new DoesNotFitError(
      `Cannot allocate ${gib(bytes)} GiB for ${label}: ${gib(available)} GiB are free; use a ` +
        `smaller batch or generator`,
    );
  }

  /** Allocates a buffer; `label` names it in errors. Await `check` to learn of a failure. */
  allocate(bytes: number, usage: GPUBufferUsageFlags, label: string): GPUBuffer {
    this.assertAlive();
    if (bytes > this.limits.bufferBytes) {
      throw new GpuError(
        `Cannot allocate ${bytes} bytes for "${label}": the adapter allows ` +
          `${this.limits.bufferBytes} per buffer; use a smaller batch or generator`,
      );
    }
    const buffer = this.device.createBuffer({ size: Math.max(bytes, 16), usage, label });
    this.#live.set(buffer, buffer.size);
    this.allocated.bytes += buffer.size;
    this.allocated.buffers++;
    return buffer;
  }

  free(buffer: GPUBuffer): void {
    const bytes = this.#live.get(buffer);
    if (bytes === undefined) return;
    this.#live.delete(buffer);
    this.allocated.bytes -= bytes;
    this.allocated.buffers--;
    buffer.destroy();
  }

  /** Compiles a pipeline, once for each distinct text. */
  pipeline(key: PipelineKey): Promise<GPUComputePipeline> {
    const known = this.#pipelines.get(key.source);
    if (known) return known;
    const pipeline = this.#compile(key);
    this.#pipelines.set(key.source, pipeline);
    return pipeline;
  }

  #compile({ label, source, layout }: PipelineKey): Promise<GPUComputePipeline> {
    // Tensors share buffers, and WebGPU forbids one buffer as `read` and as `read_write` in the
    // same launch; ranges that do not overlap may all be `read_write`.
    const code = (/\bf16\b/.test(source) ? "enable f16;\n" : "") +
      (source.includes("subgroup_matrix_left") ? MATRIX_DIRECTIVES : "") + this.directives +
      source.replaceAll(/var<storage,\s*read>/g, "var<storage, read_write>");
    const bindGroupLayouts = layout.map((entries) =>
      this.device.createBindGroupLayout({
        entries: entries.map(({ binding, type }) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type },
        })),
      })
    );
    return this.scoped(() =>
      Promise.resolve(this.device.createComputePipeline({
        label,
        layout: this.device.createPipelineLayout({ bindGroupLayouts }),
        compute: { module: this.device.createShaderModule({ label, code }), entryPoint: "main" },
      })), (message) => new KernelError(`Cannot compile kernel "${label}": ${message}\n${code}`));
  }

  /** Runs `action` and turns a validation or memory error of the device into a typed one. */
  async scoped<T>(
    action: () => Promise<T>,
    invalid: (message: string) => Error = (message) => new KernelError(message),
  ): Promise<T> {
    this.assertAlive();
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    let pending: Promise<T>;
    let scopes: Promise<[GPUError | null, GPUError | null]>;
    try {
      pending = action();
      pending.catch(() => {}); // reported below, unless the device has a better reason
    } finally {
      // Closed before anything is awaited: scopes form a stack that other calls use too.
      scopes = Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
      scopes.catch(() => {});
    }
    const [validation, memory] = await scopes.catch(() => [null, null]);
    this.assertAlive();
    if (memory) {
      throw new DeviceMemoryError(
        `Cannot allocate device memory: ${memory.message}; use a smaller batch`,
      );
    }
    if (validation) throw invalid(validation.message);
    return await pending;
  }

  /** The error to report once the device has been lost; null as long as it works. */
  get loss(): DeviceLostError | null {
    return this.#lost === null ? null : new DeviceLostError(
      `Cannot use the GPU: the device was lost (${this.#lost}); start again`,
    );
  }

  /** Throws a DeviceLostError if the device has been lost. */
  assertAlive(): void {
    if (this.loss) throw this.loss;
  }

  write(range: BufferRange, data: Exclude<BufferSource, ArrayBuffer>): void {
    if (data.byteLength === 0) return; // Deno panics on an empty write
    this.device.queue.writeBuffer(range.buffer, range.offset, data);
    this.#stagedBytes += data.byteLength;
    this.#unsettledBytes += data.byteLength;
    if (this.#stagedBytes < STAGED_BYTES) return;
    this.device.queue.submit([]);
    this.#stagedBytes = 0;
  }

  /**
   * Waits, where much was written since the last time, until the device is done with its copies of
   * it. Whoever writes many tensors calls it after each.
   */
  async settle(): Promise<void> {
    if (this.#unsettledBytes < UNSETTLED_BYTES) return;
    this.#unsettledBytes = 0;
    this.device.queue.submit([]);
    await this.device.queue.onSubmittedWorkDone();
    this.assertAlive();
  }

  /** Copies ranges on the device, after all work submitted before. */
  copy(pairs: readonly { readonly from: BufferRange; readonly to: BufferRange }[]): Promise<void> {
    return this.scoped(() => {
      const encoder = this.device.createCommandEncoder();
      for (const { from, to } of pairs) {
        encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, from.bytes);
      }
      this.device.queue.submit([encoder.finish()]);
      return Promise.resolve();
    });
  }

  /** Reads ranges back; waits until all work submitted before is done. */
  async read(ranges: readonly BufferRange[]): Promise<ArrayBuffer[]> {
    if (ranges.length === 0) return [];
    const total = ranges.reduce((sum, range) => sum + range.bytes, 0);
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = this.allocate(total, usage, "read back");
    try {
      await this.scoped(async () => {
        const encoder = this.device.createCommandEncoder();
        let at = 0;
        for (const { buffer, offset, bytes } of ranges) {
          encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
          at += bytes;
        }
        this.device.queue.submit([encoder.finish()]);
        await staging.mapAsync(GPUMapMode.READ);
      });
      let at = 0;
      const mapped = staging.getMappedRange();
      return ranges.map(({ bytes }) => mapped.slice(at, at += bytes));
    } finally {
      this.free(staging);
    }
  }

  /** Waits until all submitted work is done. */
  async idle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.assertAlive();
  }

  /** Gives the device back; everything allocated on it is gone. */
  close(): void {
    for (const buffer of [...this.#live.keys()]) this.free(buffer);
    this.device.destroy();
  }
}
