import source from "../../kernels/probe.wgsl" with { type: "text" };
import { GpuError } from "../errors.ts";

/** Elements computed: no multiple of the workgroup size of 64, so its edge is tried as well. */
const COUNT = 1003;

/** How long a device took for the smallest useful piece of work. */
export interface Probe {
  /** Opening the device, compiling the kernel and the first answer, in milliseconds. */
  firstMs: number;
  /** The same dispatch again, submission to answer, in milliseconds. */
  againMs: number;
}

/** Runs a tiny kernel on the adapter and checks every number. Throws a GpuError when one is wrong. */
export async function probe(adapter: GPUAdapter): Promise<Probe> {
  const start = performance.now();
  const device = await adapter.requestDevice();
  try {
    device.pushErrorScope("validation");
    const compute = prepare(device);
    check(await compute());
    const error = await device.popErrorScope();
    if (error) throw new GpuError(`Cannot use the GPU: ${error.message}; update its driver`);
    const firstMs = performance.now() - start;

    const again = performance.now();
    check(await compute());
    return { firstMs, againMs: performance.now() - again };
  } finally {
    device.destroy();
  }
}

/** Builds the pipeline; each call of what it returns computes and reads back. */
function prepare(device: GPUDevice): () => Promise<Uint32Array> {
  const size = COUNT * Uint32Array.BYTES_PER_ELEMENT;
  const module = device.createShaderModule({ label: "probe", code: source });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const out = device.createBuffer({
    size,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  });
  const host = device.createBuffer({
    size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: out } }],
  });

  return async () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(Math.ceil(COUNT / 64));
    pass.end();
    encoder.copyBufferToBuffer(out, 0, host, 0, size);
    device.queue.submit([encoder.finish()]);

    await host.mapAsync(GPUMapMode.READ);
    const values = new Uint32Array(host.getMappedRange().slice(0));
    host.unmap();
    return values;
  };
}

function check(values: Uint32Array): void {
  const wrong = values.findIndex((value, i) => value !== i * i + 1);
  if (wrong < 0) return;
  throw new GpuError(
    `Cannot trust the GPU: its test kernel gave ${values[wrong]} for element ${wrong}, expected ` +
      `${wrong * wrong + 1}; update its driver`,
  );
}
