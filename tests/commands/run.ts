/** Runs command lines as main.ts does, and reads what they wrote. */
import assert from "node:assert/strict";
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { main } from "../../main.ts";
import { captured } from "../console.ts";

/** Runs a command line that has to succeed; returns what it printed. */
export async function succeed(...args: string[]): Promise<string> {
  const { result, out, err } = await captured(() => main(args));
  assert.equal(result, 0, `${args.join(" ")}: ${err}`);
  return out;
}

/** Runs a command line that has to fail with exit code 2 and one line, which it returns. */
export async function fail(...args: string[]): Promise<string> {
  const { result, out, err } = await captured(() => main(args));
  assert.equal(result, 2, `${args.join(" ")}: ${out}${err}`);
  assert.match(err, /^error: [^\n]+$/);
  assert.equal(out, "");
  return err;
}

/** All tensors of a file that a command wrote. */
export async function tensorsIn(path: string) {
  using checkpoint = await openCheckpoint(path);
  const tensors: Record<string, { shape: number[]; data: Float32Array<ArrayBuffer> }> = {};
  for (const [name, { shape, read }] of checkpoint.tensors) {
    tensors[name] = { shape, data: await read() };
  }
  return tensors;
}
