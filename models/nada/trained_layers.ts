/** Which layers are trained, by phase, by name, or by adaptive choice, and what of them. */
import { UserError } from "../../lib/errors.ts";
import { type Architecture, generatorOf } from "../generator/families.ts";

/**
 * Sets of layers that the reference names. All have the learned constant and the first convolution;
 * they differ in which of `convs` they take.
 */
const PHASES = {
  /** Those that draw texture: from 16x16 to 128x128. */
  texture: (convs: readonly string[]) => convs.slice(2, 10),
  /** The coarsest: 8x8. */
  shape: (convs: readonly string[]) => convs.slice(0, 2),
  /** Up to 128x128. */
  no_fine: (convs: readonly string[]) => convs.slice(0, 10),
  /** 8x8, and the step to 16x16. */
  shape_expanded: (convs: readonly string[]) => convs.slice(0, 3),
};

export const PHASE_NAMES = [
  ...Object.keys(PHASES) as (keyof typeof PHASES)[],
  "all",
] as const;
/** "all" is every layer there is, with ToRGB and the mapping network. */
export type Phase = typeof PHASE_NAMES[number];

/**
 * The layers of a phase in the order of the layout. Throws a UserError for a generator that has no
 * such phase.
 */
export function phaseLayers(a: Architecture, phase: Phase): string[] {
  const { layers, defaultLayers } = generatorOf(a);
  if (phase === "all") return [...layers.keys()];
  if (a.family !== "stylegan2") {
    throw new UserError(
      `Cannot train the phase "${phase}": it is a choice of StyleGAN2's layers; name those to train ` +
        `with --train-layers, or take the phase "all"`,
    );
  }
  const [input, first, ...convs] = defaultLayers;
  return [input!, first!, ...PHASES[phase](convs)];
}

/**
 * The layers of a list of names: those of the generator, or their beginnings, such as "convs" for
 * "convs.0" and on, or "L3" for "L3_52_512". Throws a UserError for a name that the generator does
 * not have.
 */
export function namedLayers(a: Architecture, names: readonly string[]): string[] {
  const known = [...generatorOf(a).layers.keys()];
  const found = names.map((name) => {
    const layers = known.filter((layer) =>
      layer === name || layer.startsWith(`${name}.`) || layer.startsWith(`${name}_`)
    );
    if (layers.length > 0) return layers;
    throw new UserError(
      `Cannot train "${name}": the generator has no such layer; its layers are ${known.join(", ")}`,
    );
  });
  const chosen = new Set(found.flat());
  return known.filter((layer) => chosen.has(layer));
}

/**
 * What of a layer is trained: "all"; "modulation", the weights and biases of the affine layer that
 * turns w into its styles; "shift", these biases alone, one number a style channel, added to the
 * style of every sample (HyperDomainNet, Alanov et al. 2022; StyleDomain, Alanov et al. 2023).
 */
export const TRAIN_PARAMS = ["all", "modulation", "shift"] as const;
export type TrainParams = typeof TRAIN_PARAMS[number];

/**
 * The layer of every parameter that is trained where these layers are, by the parameter's name.
 * Layers that have nothing of the kind do not appear.
 */
export function trainedParameters(
  a: Architecture,
  layers: readonly string[],
  params: TrainParams,
): Map<string, string> {
  const { layers: parametersOf, affines } = generatorOf(a);
  const namesIn = (layer: string) => {
    if (params === "all") return parametersOf.get(layer)!;
    const ofAffine = params === "shift" ? ["bias"] : ["weight", "bias"];
    return (affines.get(layer) ?? []).flatMap((affine) =>
      ofAffine.map((name) => `${affine}.${name}`)
    );
  };
  return new Map(layers.flatMap((layer) => namesIn(layer).map((name) => [name, layer] as const)));
}

/** The layers among these that have something of the kind to train. */
export function layersWith(
  a: Architecture,
  layers: readonly string[],
  params: TrainParams,
): string[] {
  const found = new Set(trainedParameters(a, layers, params).values());
  return layers.filter((layer) => found.has(layer));
}

/** Throws a UserError for a layer that was asked for by its name and has nothing of the kind. */
export function checkStyled(a: Architecture, layers: readonly string[], params: TrainParams): void {
  const { affines } = generatorOf(a);
  const without = layers.find((layer) => !affines.has(layer));
  if (params === "all" || without === undefined) return;
  throw new UserError(
    `Cannot train the ${params} of "${without}": it has no styles; those that have are ` +
      `${[...affines.keys()].join(", ")}; name some of these, or pass --train-params all`,
  );
}
