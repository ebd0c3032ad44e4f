/** Latents in files, to draw again what was drawn before or what another program has found. */
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { sameShape } from "../../lib/graph/tensor.ts";
import type { Sizes } from "./generator.ts";
import type { Latents } from "./sampler.ts";

/** Names of latents, here and in files. */
export type LatentKind = "z" | "w" | "w_plus";

const KINDS: readonly LatentKind[] = ["z", "w", "w_plus"];

/**
 * Reads `z` `[n, zSize]`, `w` `[n, wSize]` or `w_plus` `[n, wCount, wSize]` from a file. Throws a
 * UserError where the file has no such tensor, or one that does not fit this generator.
 */
export async function readLatents(
  path: string,
  kind: LatentKind,
  { zSize, wSize, wCount }: Sizes,
): Promise<Latents> {
  using checkpoint = await openCheckpoint(path);
  const refuse = (reason: string): never => {
    throw new UserError(`Cannot take ${kind} from "${path}": ${reason}`);
  };
  const { tensors } = checkpoint;
  const tensor = tensors.get(kind);
  if (!tensor) {
    const other = KINDS.find((name) => tensors.has(name));
    const names = tensors.keys().take(3).map((name) => `"${name}"`).toArray().join(", ");
    return refuse(
      `it has no tensor "${kind}"` +
        (other
          ? `, but "${other}"; give it as --${other.replace("_", "-")}`
          : `; it has ${names || "none at all"}${tensors.size > 3 ? ", …" : ""}`),
    );
  }
  const row = { z: [zSize], w: [wSize], w_plus: [wCount, wSize] }[kind];
  const [count = 0, ...rest] = tensor.shape;
  if (!sameShape(rest, row) || count === 0) {
    refuse(`"${kind}" has shape [${tensor.shape}], this generator takes [n, ${row.join(", ")}]`);
  }
  const data = await tensor.read();
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) refuse(`"${kind}" holds ${data[bad]} at index ${bad}; all must be finite`);
  if (kind === "z") return { z: data };
  return kind === "w" ? { w: data } : { wPlus: data };
}
