/** What the texts of a run mean to one CLIP model: all that the loss has to know of them. */
import { UserError } from "../../../lib/errors.ts";
import type { Clip } from "../../clip/clip.ts";
import { fillTemplates } from "../../clip/templates.ts";
import { textDirection } from "../text_direction.ts";
import { dot, meanDirection, unitVector } from "../vectors.ts";
import { type GlobalTarget, globalTarget } from "./global.ts";
import { PART_TEMPLATES } from "./patch.ts";
import type { LossWeights } from "./weights.ts";

/** By part of the loss; those whose weight is 0 are left out. */
export interface LossTargets {
  /** Unit vector `[d]` along which the images have to move. */
  direction?: Float32Array<ArrayBuffer>;
  global?: GlobalTarget;
  /** Unit vectors `[d]`, one a part of what is seen. */
  patch?: Float32Array<ArrayBuffer>[];
  /** Cosine between the two texts. */
  manifold?: number;
}

export interface Texts {
  readonly source: string;
  readonly target: string;
  /** Sentences that each text is put into; 79 when left out. */
  readonly templates?: readonly string[];
  /** Parts that patches may show; 15 when left out. */
  readonly partTemplates?: readonly string[];
}

/**
 * Encodes what the parts of the loss need of the texts, and nothing else. Throws a UserError where
 * CLIP sees no difference between them.
 */
export async function textTargets(clip: Clip, texts: Texts, weights: LossWeights) {
  const { source, target, templates = clip.templates, partTemplates = PART_TEMPLATES } = texts;
  const direction = (from: readonly Float32Array[], to: readonly Float32Array[]) => {
    const found = textDirection(from, to);
    if (found.every(Number.isFinite)) return found;
    throw new UserError(
      `Cannot adapt from "${source}" to "${target}": CLIP gives both texts the same features`,
    );
  };

  const targets: LossTargets = {};
  if (weights.direction !== 0 || weights.manifold !== 0) {
    const [from, to] = await encodeGroups(
      clip,
      [source, target].map((text) => fillTemplates(text, templates)),
    );
    if (weights.direction !== 0) targets.direction = direction(from!, to!);
    if (weights.manifold !== 0) {
      targets.manifold = dot(unitVector(meanDirection(from!)), unitVector(meanDirection(to!)));
    }
  }
  if (weights.global !== 0) targets.global = await globalTarget(clip, `a ${target}`);
  if (weights.patch !== 0) {
    // As in the reference, the text of a part is put into every template again.
    const groups = await encodeGroups(
      clip,
      [source, target].flatMap((text) =>
        fillTemplates(text, partTemplates).map((part) => fillTemplates(part, templates))
      ),
    );
    const [from, to] = [groups, groups.splice(partTemplates.length)];
    targets.patch = from.map((part, i) => direction(part, to[i]!));
  }
  return targets;
}

/** Features of all texts in one go, as the text tower is put on the device for each. */
async function encodeGroups(
  clip: Clip,
  groups: readonly (readonly string[])[],
): Promise<Float32Array[][]> {
  const features = await clip.encodeTexts(groups.flat());
  return groups.map(({ length }) => features.splice(0, length));
}
