/** What shapes do not tell of a generator. */
import type { TensorSource } from "../generator/generator.ts";
import type { Settings } from "./architecture.ts";

/** Those of NVIDIA's training script. */
const PUBLISHED: Settings = {
  bandwidth: 2,
  margin: 10,
  activationUp: 2,
  limit: 256,
  outputScale: 0.25,
};

/**
 * The settings that a pickle keeps in its networks, whose names begin with `prefix`. Files of tensors
 * alone are taken to have those of NVIDIA's training script.
 */
export function settingsOf(modules: TensorSource["modules"], prefix: string): Settings {
  const attributesOf = (path: string) => modules?.get(`${prefix}${path}`)?.attributes;
  const synthesis = attributesOf("synthesis");
  const input = attributesOf("synthesis.input");
  const layer = modules?.entries()
    .find(([path]) => path.startsWith(`${prefix}synthesis.L0_`))?.[1].attributes;
  const number = (value: unknown, otherwise: number) =>
    typeof value === "number" ? value : otherwise;
  const rate = number(layer?.out_sampling_rate, NaN);
  return {
    bandwidth: number(input?.bandwidth, PUBLISHED.bandwidth),
    margin: number(synthesis?.margin_size, PUBLISHED.margin),
    activationUp: number(layer?.tmp_sampling_rate, NaN) / rate || PUBLISHED.activationUp,
    // An absent limit is no limit, where the layer is known.
    limit: typeof layer?.conv_clamp === "number"
      ? layer.conv_clamp
      : layer
      ? null
      : PUBLISHED.limit,
    outputScale: number(synthesis?.output_scale, PUBLISHED.outputScale),
  };
}
