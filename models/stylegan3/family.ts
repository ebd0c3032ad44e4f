/** StyleGAN3 as a family of generators. */
import type { Generator } from "../generator/generator.ts";
import {
  type Architecture,
  defaultTrainedLayers,
  fixedShapes,
  layerAffines,
  layerParameters,
  parameterShapes,
} from "./architecture.ts";
import { mapping, synthesis } from "./generator.ts";

export function stylegan3(a: Architecture): Generator {
  return {
    title: "StyleGAN3",
    channels: a.layers.map(({ outChannels }) => outChannels),
    parameterShapes: parameterShapes(a),
    fixedShapes: fixedShapes(a),
    layers: layerParameters(a),
    affines: layerAffines(a),
    mappingLayer: "mapping",
    defaultLayers: defaultTrainedLayers(a),
    selectableLayers: ["input", ...a.layers.map(({ name }) => name)],
    largestMap: largestMap(a),
    hasNoise: false,
    trainingPsi: 0.7,
    mapping: (p, z) => mapping(p, a, z),
    synthesis: (p, wPlus) => synthesis(p, a, wPlus),
  };
}

/** Activations work on a finer grid than what they give; with separable filters, in one axis. */
function largestMap({ layers }: Architecture): number {
  const sizes = layers.map(({ outChannels, inSize, kernel, outSize, down, downFilter }) => {
    const fine = (outSize - 1) * down + (downFilter?.[0] ?? 1);
    return outChannels * fine * (downFilter?.length === 2 ? fine : inSize + kernel - 1);
  });
  return Math.max(...sizes);
}
