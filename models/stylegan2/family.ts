/** StyleGAN2 as a family of generators. */
import { dims } from "../../lib/graph/tensor.ts";
import type { Generator } from "../generator/generator.ts";
import {
  type Architecture,
  defaultTrainedLayers,
  layerAffines,
  layerParameters,
  noiseShapes,
  parameterShapes,
} from "./architecture.ts";
import { mapping, synthesis } from "./generator.ts";
import { noisesOf } from "./noise.ts";

export function stylegan2(a: Architecture): Generator {
  return {
    title: "StyleGAN2",
    channels: a.channels,
    parameterShapes: parameterShapes(a),
    fixedShapes: noiseShapes(a),
    layers: layerParameters(a),
    affines: layerAffines(a),
    mappingLayer: "style",
    defaultLayers: defaultTrainedLayers(a),
    selectableLayers: selectableLayers(a),
    largestMap: largestMap(a),
    hasNoise: true,
    trainingPsi: 1,
    mapping: (p, z) => mapping(p, a, z),
    synthesis(p, wPlus, noise) {
      const { n } = dims(wPlus, "n l w");
      return synthesis(p, a, wPlus, noisesOf(p, a, n, noise));
    },
  };
}

/**
 * The reference's list: it has to_rgb1 at 1, so that all later ones are one off from the row of w+
 * that styles them.
 */
function selectableLayers({ convs }: Architecture): string[] {
  const [first, ...rest] = convs.map(({ name }) => name);
  return [first!, "to_rgb1", ...rest];
}

function largestMap({ convs }: Architecture): number {
  // Upsampling makes maps of one more pixel on each side before they are blurred.
  return Math.max(
    ...convs.map(({ outChannels, resolution, up }) =>
      outChannels * (resolution + (up ? 1 : 0)) ** 2
    ),
  );
}
