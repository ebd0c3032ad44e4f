/**
 * Times matrix products, convolutions and filters on the device, at the sizes of the models:
 * `deno task bench matmul`, `conv` or `filter`, all without a name; `--json` prints JSON.
 * Every time is the shortest of ROUNDS, of all dispatches of one op, without encoding them.
 */
import { Gpu } from "../lib/gpu/device.ts";
import { Profiler } from "../lib/gpu/profiler.ts";
import { DeviceTensor } from "../lib/graph/device_tensor.ts";
import { vjp } from "../lib/graph/grad.ts";
import {
  conv2d,
  convTranspose2d,
  convWeightGrad,
  filteredLrelu,
  matmul,
} from "../lib/graph/ops/mod.ts";
import { Program } from "../lib/graph/program.ts";
import { numel, type Shape, state, type Tensor } from "../lib/graph/tensor.ts";

const ROUNDS = 7;

interface Case {
  readonly name: string;
  /** Multiplications and additions; those with padding count. */
  readonly operations: number;
  readonly inputs: Record<string, Shape>;
  readonly op: (inputs: Record<string, Tensor>) => Tensor;
}

/** a `[batch, m, k]` by b `[batch, k, n]`, or by b `[n, k]` as weights are stored. */
function product(batch: number, m: number, k: number, n: number, weight = false): Case {
  return {
    name: `${batch > 1 ? `${batch} * ` : ""}[${m}, ${k}] x [${k}, ${n}]${weight ? "ᵀ" : ""}`,
    operations: 2 * batch * m * k * n,
    inputs: { a: [batch, m, k], b: weight ? [n, k] : [batch, k, n] },
    op: ({ a, b }) => matmul({ a: a!, b: b! }, { transposeB: weight }),
  };
}

/** A 3x3 convolution with its two gradients; x `[batch, inputs, size, size]`. */
function layer(batch: number, inputs: number, outputs: number, size: number): Case[] {
  const attrs = { stride: 1, pad: 1 };
  const [x, y]: Shape[] = [[batch, inputs, size, size], [batch, outputs, size, size]];
  const w = [outputs, inputs, 3, 3];
  const name = `3x3 ${inputs} > ${outputs} at ${size}, batch ${batch}`;
  return three(name, batch * size ** 2, { x: x!, w, y: y! }, attrs, [0, 0]);
}

/** StyleGAN2's convolution to twice the size, the transpose of one at stride 2. */
function upLayer(batch: number, inputs: number, outputs: number, size: number): Case[] {
  const large = 2 * size + 1;
  const shapes = {
    x: [batch, outputs, large, large],
    w: [inputs, outputs, 3, 3],
    y: [batch, inputs, size, size],
  };
  const name = `3x3 up ${inputs} > ${outputs} from ${size}, batch ${batch}`;
  return three(name, batch * size ** 2, shapes, { stride: 2, pad: 0 }, [0, 0]);
}

/** y = conv2d(x, w) and what makes each of x and w from the other two. */
function three(
  name: string,
  pixels: number,
  { x, w, y }: Record<"x" | "w" | "y", Shape>,
  attrs: { stride: number; pad: number },
  outputPadding: readonly [number, number],
): Case[] {
  const operations = 2 * pixels * numel(w);
  const kernel = [w[2]!, w[3]!] as const;
  return [
    {
      name: `${name}: conv2d`,
      operations,
      inputs: { x, w },
      op: ({ x, w }) => conv2d({ x: x!, w: w! }, attrs),
    },
    {
      name: `${name}: transpose`,
      operations,
      inputs: { y, w },
      op: ({ y, w }) => convTranspose2d({ x: y!, w: w! }, { ...attrs, outputPadding }),
    },
    {
      name: `${name}: weight`,
      operations,
      inputs: { x, y },
      op: ({ x, y }) => convWeightGrad({ x: x!, gy: y! }, { ...attrs, kernel }),
    },
  ];
}

/**
 * StyleGAN3's activation of `channels` maps at `size`, up and down by 2 with 12 taps, and its
 * gradient. Operations are those of filters applied to rows, then to columns, or to the plane.
 */
function activation(channels: number, size: number, radial: boolean): Case[] {
  const attrs = { up: 2, down: 2, slope: 0.2, gain: Math.SQRT2, limit: 256 };
  const taps = [12];
  const down = radial ? [12, 12] : taps;
  const forward = ({ x, up, down }: Record<string, Tensor>) =>
    filteredLrelu(x!, { up: up!, down: down! }, { ...attrs, pad: [11, 10] });
  const each = 2 * channels * size ** 2;
  const name = `lrelu${radial ? " radial" : ""} ${channels} at ${size}`;
  const inputs = { x: [1, channels, size, size], up: taps, down };
  return [
    {
      name: `${name}: forward`,
      operations: each * (36 + (radial ? 144 : 36)),
      inputs,
      op: forward,
    },
    {
      name: `${name}: gradient`,
      // The way up once more, down's transpose, and up's.
      operations: each * (36 + (radial ? 144 : 36) + 36),
      inputs: { ...inputs, gy: inputs.x },
      op: (all) => vjp(forward(all), all.gy!, [all.x!])[0]!,
    },
  ];
}

const SUITES: Record<string, (large: boolean) => Case[]> = {
  matmul: (large) => [
    product(1, 1024, 1024, 1024),
    product(1, 100, 768, 2304, true), // CLIP ViT-B/32, two images: attention
    product(1, 100, 3072, 768, true), // and its MLP
    product(24, 50, 64, 50), // scores of its 12 heads
    product(1, 4, 512, 512, true), // StyleGAN2's mapping
    product(4, 3, 24, 64 * 64), // its colours
    ...(large ? [product(1, 4096, 4096, 4096), product(1, 1600, 768, 3072, true)] : []),
  ],
  conv: (large) => [
    // The demo generator, and one layer for comparison with other machines.
    ...layer(4, 64, 64, 64),
    ...layer(4, 128, 128, 4),
    ...layer(4, 128, 128, 8),
    ...layer(4, 96, 96, 16),
    ...layer(4, 40, 40, 32),
    ...layer(4, 24, 24, 64),
    ...upLayer(4, 96, 40, 16),
    ...upLayer(4, 40, 24, 32),
    // The 1024x1024 generator.
    ...(large
      ? [
        ...layer(4, 512, 512, 32),
        ...layer(4, 512, 512, 64),
        ...layer(4, 256, 256, 128),
        ...layer(4, 128, 128, 256),
        ...layer(4, 64, 64, 512),
        ...layer(1, 32, 32, 1024),
        ...upLayer(4, 512, 256, 64),
      ]
      : []),
  ],
  filter: (large) => [
    ...activation(64, 148, false),
    ...activation(64, 148, true),
    ...(large ? activation(81, 1044, false) : []),
  ],
};

/** Seconds that the device spends on one run. */
async function time(gpu: Gpu, { inputs, op }: Case): Promise<number> {
  const values = Object.entries(inputs).map(([name, shape]) => {
    const data = Float32Array.from({ length: numel(shape) }, () => Math.random() - 0.5);
    return [name, new DeviceTensor(gpu, shape, name, data)] as const;
  });
  const leaves = values.map(([name, { shape }]) => [name, state(name, shape)]);
  const program = await Program.compile(gpu, {
    outputs: { out: op(Object.fromEntries(leaves)) },
    state: Object.fromEntries(values),
  });
  let best = Infinity;
  for (let round = 0; round <= ROUNDS; round++) {
    const profiler = gpu.profiler = new Profiler();
    await program.run();
    await gpu.idle();
    const us = profiler.trace().traceEvents.reduce((sum, event) => sum + event.dur, 0);
    if (round > 0) best = Math.min(best, us / 1e6); // the first round compiles
  }
  gpu.profiler = null;
  program.dispose();
  for (const [, value] of values) value.dispose();
  return best;
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(2);
}

const json = Deno.args.includes("--json");
const wanted = Deno.args.filter((arg) => arg !== "--json");
const unknown = wanted.find((name) => !(name in SUITES));
if (unknown !== undefined) {
  fail(`Cannot bench "${unknown}": there are ${Object.keys(SUITES).join(" and ")}`);
}
const gpu = await Gpu.open();
if (!gpu.hasTimestamps) {
  fail(`Cannot time kernels on ${gpu.adapterName}: it offers no timestamps`);
}
if (!json) console.log(`${gpu.adapterName}\n   GFLOP/s         ms`);
const results = [];
for (const name of wanted.length > 0 ? wanted : Object.keys(SUITES)) {
  for (const test of SUITES[name]!(gpu.kind === "gpu")) {
    const seconds = await time(gpu, test);
    const gflops = test.operations / seconds / 1e9;
    results.push({ suite: name, name: test.name, ms: 1e3 * seconds, gflops });
    if (json) continue;
    console.log(gflops.toFixed(1).padStart(10), (1e3 * seconds).toFixed(3).padStart(10), test.name);
  }
}
if (json) console.log(JSON.stringify({ adapter: gpu.adapterName, results }, null, 2));
gpu.close();
