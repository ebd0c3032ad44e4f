/** The loss of a batch: its parts for each CLIP model, weighted and added up. */
import { UserError } from "../../../lib/errors.ts";
import type { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import { add, concat, mul, slice } from "../../../lib/graph/ops/mod.ts";
import { constant, type Tensor } from "../../../lib/graph/tensor.ts";
import type { Clip, ImageTower } from "../../clip/clip.ts";
import type { ResizeVariant } from "../../clip/preprocess.ts";
import { directionalLoss, type DirectionDistance } from "./directional.ts";
import { globalLoss } from "./global.ts";
import { manifoldLoss } from "./manifold.ts";
import { patches, patchLoss } from "./patch.ts";
import type { LossTargets } from "./targets.ts";
import { textureLoss } from "./texture.ts";
import { checkLossWeights, LOSS_PARTS, type LossPart, type LossWeights } from "./weights.ts";

export {
  DIRECTION_DISTANCES,
  directionalLoss,
  type DirectionDistance,
  editDirection,
} from "./directional.ts";
export { globalLoss, type GlobalTarget, globalTarget } from "./global.ts";
export { PART_TEMPLATES, patchSize } from "./patch.ts";
export { type LossTargets, type Texts, textTargets } from "./targets.ts";
export {
  checkLossWeights,
  DIRECTION_ONLY,
  LOSS_PARTS,
  type LossPart,
  type LossWeights,
} from "./weights.ts";

/** A CLIP model that judges the images, and what its judgement counts; 0 leaves it out. */
export interface Judge<C extends ImageTower = Clip> {
  readonly clip: C;
  readonly weight: number;
  readonly targets: LossTargets;
}

export interface LossSpec<C extends ImageTower = Clip> {
  readonly weights: LossWeights;
  readonly judges: readonly Judge<C>[];
  /** How directions of whole images are compared. */
  readonly distance: DirectionDistance;
  readonly resize: ResizeVariant;
  /** A CLIP with a ResNet, for the texture loss; null where that has weight 0. */
  readonly textureClip: C | null;
}

/** What the loss is made from. */
export interface LossInputs {
  /** Images `[n, 3, h, w]` in [-1, 1] of the two generators. */
  readonly frozen: Tensor;
  readonly adapted: Tensor;
  /** Corners of the patches, u32 `[n * k, 2]`; what no part needs is never read. */
  readonly corners: Tensor;
  /** Images whose texture is to be kept; those of the frozen generator when left out. */
  readonly texture?: Tensor;
}

export interface Loss {
  readonly total: Tensor;
  /** Each part that is computed, over all judges and before its own weight. */
  readonly parts: ReadonlyMap<LossPart, Tensor>;
}

/** The loss as a graph, to be compiled with what `lossState` gives. All values are `[]`. */
export function totalLoss(
  { frozen, adapted, corners, texture = frozen }: LossInputs,
  { weights, judges, distance, resize, textureClip }: LossSpec<ImageTower>,
): Loss {
  checkLossWeights(weights);
  // Both sides of each judge's comparison are shared by all parts, and so is their gradient.
  const views = present(judges).map(({ clip, weight, targets }) => {
    const pair = (images: (image: Tensor) => Tensor) =>
      featuresOfBoth(clip, [images(frozen), images(adapted)], resize);
    return { weight, targets, whole: pair((image) => image), pair };
  });
  type View = typeof views[number];
  const overJudges = (loss: (view: View) => Tensor) => {
    if (views.length > 0) return views.map((view) => mul(loss(view), view.weight)).reduce(add);
    throw new UserError(
      "Cannot train without a CLIP model: the weights of all of them are 0; give one of them " +
        "another",
    );
  };

  const build: Record<LossPart, () => Tensor> = {
    direction: () =>
      overJudges(({ whole, targets }) => {
        const wanted = needed(targets, "direction");
        return directionalLoss(...whole, constant(wanted, [1, wanted.length]), distance);
      }),
    global: () =>
      overJudges(({ whole: [, seen], targets }) => globalLoss(seen, needed(targets, "global"))),
    patch: () =>
      overJudges(({ pair, targets }) =>
        patchLoss(...pair((image) => patches(image, corners)), needed(targets, "patch"))
      ),
    manifold: () =>
      overJudges(({ whole, targets }) => manifoldLoss(...whole, needed(targets, "manifold"))),
    texture: () => {
      if (!textureClip) throw new TypeError("Cannot build the texture loss: it has no CLIP model");
      return textureLoss(...featuresOfBoth(textureClip, [texture, adapted], resize));
    },
  };
  const parts = new Map(
    Object.entries(build)
      .filter(([part]) => weights[part as LossPart] !== 0)
      .map(([part, loss]) => [part as LossPart, loss()]),
  );
  const total = parts.entries().map(([part, loss]) => mul(loss, weights[part])).reduce(add);
  return { total, parts };
}

/** The image towers that the loss reads, on the device. */
export async function lossState(
  { judges, textureClip, weights }: LossSpec,
): Promise<Record<string, DeviceTensor>> {
  const judged = LOSS_PARTS.some((part) => part !== "texture" && weights[part] !== 0);
  const clips = judged ? present(judges).map(({ clip }) => clip) : [];
  if (textureClip && weights.texture !== 0) clips.push(textureClip);
  const states = await Promise.all(clips.map((clip) => clip.imageState()));
  return Object.assign({}, ...states);
}

/** What belongs to the frozen and to the adapted generator's images. */
type Pair = [frozen: Tensor, adapted: Tensor];

/** Both images go through the tower as one batch: half the launches, and each of twice the size. */
function featuresOfBoth(clip: ImageTower, images: Pair, resize: ResizeVariant): Pair {
  const features = clip.imageFeatures(concat(images, 0), resize);
  const [n, d] = [features.shape[0]! / 2, features.shape[1]!];
  return [slice(features, [0, 0], [n, d]), slice(features, [n, 0], [n, d])];
}

const present = <T extends { readonly weight: number }>(judges: readonly T[]): T[] =>
  judges.filter(({ weight }) => weight !== 0);

function needed<P extends keyof LossTargets>(targets: LossTargets, part: P) {
  const target = targets[part];
  if (target === undefined) throw new TypeError(`Cannot build the ${part} loss: it has no target`);
  return target;
}
