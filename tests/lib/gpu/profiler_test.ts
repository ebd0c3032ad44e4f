import assert from "node:assert/strict";
import { Profiler } from "../../../lib/gpu/profiler.ts";
import { exp, softmax } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { testGpu } from "../../gpu.ts";

Deno.test("Profiler times every dispatch of a program by its label", async () => {
  const gpu = await testGpu();
  const x = input("x", [65, 70]);
  const program = await Program.compile(gpu, { outputs: { y: softmax(exp(softmax(x))) } });
  gpu.profiler = new Profiler();
  try {
    const data = new Float32Array(65 * 70).fill(1);
    await program.run({ x: data });
    await program.run({ x: data });
    const { traceEvents } = gpu.profiler.trace();
    const dispatches = program.plan.launches.length;
    assert.equal(traceEvents.length, 2 * dispatches);
    assert.ok(traceEvents.every(({ dur, ts }) => dur >= 0 && ts >= 0));
    // The second run lies after the first.
    assert.ok(traceEvents[dispatches]!.ts >= traceEvents[0]!.ts + traceEvents[0]!.dur);
    const table = gpu.profiler.table();
    assert.match(table, /softmax\w*\[exp\] .*\[65,70\]/);
    assert.match(table, new RegExp(`${2 * dispatches} +[\\d.]+  all`));
  } finally {
    gpu.profiler = null;
    program.dispose();
  }
});
