import assert from "node:assert/strict";
import { probe } from "../../../lib/gpu/probe.ts";

const adapter = await navigator.gpu.requestAdapter();

Deno.test({
  name: adapter ? "probe() times a right answer" : "probe() times a right answer (no adapter)",
  ignore: adapter === null,
  async fn() {
    const { firstMs, againMs } = await probe(adapter!);
    assert.ok(0 < againMs && againMs < firstMs, `${firstMs} ms, then ${againMs} ms`);
  },
});
