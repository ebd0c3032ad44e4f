/** Generators with random weights. */
import { numel, type Shape } from "../../../lib/graph/tensor.ts";
import {
  architecture,
  type Dimensions,
  fixedShapes,
  type LayerShape,
  parameterShapes,
} from "../../../models/stylegan3/architecture.ts";
import { settingsOf } from "../../../models/stylegan3/settings.ts";
import { normals, seededRandom } from "../../gpu.ts";
import type { Tensors } from "../stylegan2/made_up.ts";

/** 16x16 images from samples of 8 a side; configuration R has radial filters and 1x1 kernels. */
export function madeUpDimensions(config: "T" | "R"): Dimensions {
  const layer = (
    name: string,
    inChannels: number,
    upTaps: number,
    isRadial = false,
  ): LayerShape => {
    const [, outSize, outChannels] = name.split("_").map(Number) as [number, number, number];
    return {
      name,
      outSize,
      outChannels,
      inChannels,
      kernel: config === "R" || outChannels === 3 ? 1 : 3,
      upFilter: upTaps > 0 ? [upTaps] : null,
      downFilter: upTaps === 0 ? null : isRadial ? [12, 12] : [12],
    };
  };
  const isRadial = config === "R";
  return {
    zSize: 6,
    wSize: 5,
    mappingDepth: 2,
    layers: [
      layer("L0_28_7", 6, 12, isRadial),
      layer("L1_28_5", 7, 12, isRadial),
      layer("L2_36_4", 5, 24, isRadial),
      layer("L3_16_4", 4, 12),
      layer("L4_16_3", 4, 0),
    ],
  };
}

/** Every tensor of a checkpoint; all normal, but for what must be positive and the filters. */
export function madeUpTensors(dimensions: Dimensions, seed: number): Tensors {
  const random = seededRandom(seed);
  const a = architecture(dimensions, settingsOf(undefined, ""));
  const tensors: Tensors = new Map();
  const add = (name: string, shape: Shape) => {
    const scale = name.startsWith("mapping") ? 100 : 1;
    const data = normals(numel(shape), random).map((x) => x * scale);
    if (name.endsWith("magnitude_ema")) data[0] = 0.5 + random();
    // A filter lets a constant through.
    if (name.endsWith("filter")) data.forEach((x, i) => data[i] = (1 + x / 4) / data.length);
    tensors.set(name, { shape: [...shape], data });
  };
  parameterShapes(a).forEach((shape, name) => add(name, shape));
  fixedShapes(a).forEach((shape, name) => add(name, shape));
  tensors.get("synthesis.input.transform")!.data.set([0.8, -0.6, 0.1, 0.6, 0.8, -0.2, 0, 0, 1]);
  add("mapping.w_avg", [dimensions.wSize]);
  return tensors;
}
