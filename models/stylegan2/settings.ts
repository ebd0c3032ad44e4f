/** What names and shapes do not tell of a generator. */
import type { TensorSource } from "../generator/generator.ts";
import type { Architecture } from "./architecture.ts";
import type { Renamed } from "./layouts.ts";

export type Settings = Pick<Architecture, "limit">;

const LIMIT = "nada.limit";

/** The text by which safetensors keep the limit; none where there is none. */
export function limitMetadata({ limit }: Settings): Record<string, string> {
  return limit === null ? {} : { [LIMIT]: String(limit) };
}

/**
 * The settings that a pickle keeps in its networks, or safetensors in their metadata; rosinality's
 * code has no others than ours. Calls `refuse` for settings that nada does not have.
 */
export function settingsOf(
  { modules = new Map(), metadata = {} }: TensorSource,
  { layout, prefix }: Pick<Renamed, "layout" | "prefix">,
  refuse: (reason: string) => never,
): Settings {
  const expect = (where: string, name: string, found: unknown, wanted: unknown) => {
    if (found === undefined || found === wanted) return;
    refuse(
      `"${where}" has ${name} ${JSON.stringify(found)}; nada reads StyleGAN2 with ` +
        `${JSON.stringify(wanted)}, as NVIDIA published it`,
    );
  };

  if (layout === "tensorflow") {
    const kwargs = modules.get(prefix.replace(/\.$/, ""))?.kwargs ?? {};
    const where = `${prefix}static_kwargs`;
    expect(where, "architecture", kwargs.architecture, "skip");
    expect(where, "nonlinearity", kwargs.nonlinearity, "lrelu");
    expect(where, "mapping_nonlinearity", kwargs.mapping_nonlinearity, "lrelu");
    expect(where, "mapping_lrmul", kwargs.mapping_lrmul, 0.01);
    return { limit: numberOrNull(kwargs.conv_clamp) };
  }
  for (const [path, { attributes }] of modules) {
    if (!path.startsWith(prefix)) continue;
    expect(path, "architecture", attributes.architecture, "skip");
    if (/\.(conv|fc)\d+$/.test(path)) {
      expect(path, "activation", attributes.activation, "lrelu");
    }
    if (/\.mapping\.fc\d+$/.test(path)) {
      expect(path, "a learning rate of", attributes.bias_gain, 0.01);
    }
  }
  const layer = modules.get(`${prefix}synthesis.b4.conv1`);
  return { limit: numberOrNull(layer?.attributes.conv_clamp ?? metadata[LIMIT]) };
}

function numberOrNull(value: unknown): number | null {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && number > 0 ? number : null;
}
