/** Values that stay on the device: weights, optimiser state, mean latents. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { type HostArray, numel, type Shape } from "./tensor.ts";

const USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;

export class DeviceTensor {
  readonly range: BufferRange;

  /** Allocates a tensor; `label` names it in errors. Without `data` it holds zeros. */
  constructor(private readonly gpu: Gpu, readonly shape: Shape, label: string, data?: HostArray) {
    const bytes = 4 * numel(shape);
    this.range = { buffer: gpu.allocate(bytes, USAGE, label), offset: 0, bytes };
    if (data) this.write(data);
  }

  /** Writes elements from the one at `start` on. */
  write(data: HostArray, start = 0): void {
    const { buffer, offset } = this.range;
    this.gpu.write({ buffer, offset: offset + 4 * start, bytes: data.byteLength }, data);
  }

  async read(): Promise<Float32Array<ArrayBuffer>> {
    const [data] = await this.gpu.read([this.range]);
    return new Float32Array(data!);
  }

  dispose(): void {
    this.gpu.free(this.range.buffer);
  }
}

/** Reads many tensors back in one go. */
export async function readAll(
  gpu: Gpu,
  tensors: readonly DeviceTensor[],
): Promise<Float32Array<ArrayBuffer>[]> {
  const data = await gpu.read(tensors.map((tensor) => tensor.range));
  return data.map((bytes) => new Float32Array(bytes));
}
