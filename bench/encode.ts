/** How long it takes to encode and submit a program of 1,000 small dispatches, apart from running. */
import { Gpu } from "../lib/gpu/device.ts";
import { add, mul, sum } from "../lib/graph/ops/mod.ts";
import { Program } from "../lib/graph/program.ts";
import { input, type Tensor } from "../lib/graph/tensor.ts";

const gpu = await Gpu.open();
const x = input("x", [8, 8]);
// A sum cannot be fused into the next one, so each stays a dispatch of its own.
let y: Tensor = x;
for (let i = 0; i < 1000; i++) y = mul(add(x, sum(y, [0])), 0.5);
const program = await Program.compile(gpu, { outputs: { y } });
const data = new Float32Array(64).fill(1);

const times: number[] = [];
for (let round = 0; round < 30; round++) {
  const start = performance.now();
  const run = program.run({ x: data });
  times.push(performance.now() - start); // the encoding is synchronous, the rest is awaited
  await run;
  await gpu.idle();
}
const sorted = times.slice(5).sort((a, b) => a - b);
console.log(JSON.stringify({
  adapter: gpu.adapterName,
  dispatches: program.plan.launches.length,
  encodeMs: { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) },
}));
gpu.close();
