/** What a dispatch costs apart from what it computes: a program of 1,001 small ones. */
import type { Gpu } from "../../lib/gpu/device.ts";
import { add, mul, sum } from "../../lib/graph/ops/mod.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, type Tensor } from "../../lib/graph/tensor.ts";
import type { Opener, Subject } from "../subject.ts";

export function dispatchOpeners(gpu: Gpu): Opener[] {
  return (["encoded", "done"] as const).map((until) => ({
    name: `1,001 small dispatches until they are ${until}`,
    open: () => smallDispatches(gpu, until),
  }));
}

async function smallDispatches(gpu: Gpu, until: "encoded" | "done"): Promise<Subject> {
  const x = input("x", [8, 8]);
  // A sum cannot be fused into the next one, so each stays a dispatch of its own.
  let y: Tensor = x;
  for (let i = 0; i < 1000; i++) y = mul(add(x, sum(y, [0])), 0.5);
  const program = await Program.compile(gpu, { outputs: { y } });
  const data = new Float32Array(64).fill(1);
  return {
    work: null,
    memoryBytes: null,
    peer: null,
    async run() {
      await gpu.idle();
      const start = performance.now();
      const running = program.run({ x: data });
      // The encoding is synchronous, the rest is awaited.
      const encoded = performance.now();
      await running;
      await gpu.idle();
      return ((until === "encoded" ? encoded : performance.now()) - start) / 1e3;
    },
    [Symbol.dispose]: () => program.dispose(),
  };
}
