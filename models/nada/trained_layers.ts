/** Which layers are trained: by phase, by name, or by adaptive choice. */
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
