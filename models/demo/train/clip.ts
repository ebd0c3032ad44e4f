/** The demo CLIP from nothing: first what captions teach, then also what pairs of pictures teach. */
import {
  add,
  embedding,
  exp,
  matmul,
  maximum,
  mul,
  neg,
  randomNormal,
  slice,
  unit,
} from "../../../lib/graph/ops/mod.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { imageStages } from "../../clip/image.ts";
import { LOGIT_SCALE } from "../../clip/names.ts";
import { preprocess } from "../../clip/preprocess.ts";
import { encodeText } from "../../clip/text.ts";
import { STYLE_NAMES, STYLE_TEMPLATES } from "../world/mod.ts";
import { alignmentInputs, alignmentLosses, type Encode } from "./alignment.ts";
import {
  captionedPictures,
  DIRECTION_TEXTS,
  directionTexts,
  OTHERS,
  picturePairs,
  STYLES_EACH,
} from "./clip_batches.ts";
import {
  clipArchitecture,
  clipLeaves,
  type ClipSize,
  initialClip,
  towerLeaves,
  type TransformerClip,
} from "./clip_weights.ts";
import { contrastiveLoss, directionLoss, textDirections } from "./contrastive.ts";
import type { Group, Problem } from "./optimiser.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage, Part } from "./run.ts";
import type { Settings } from "./state_file.ts";
import { cutVocabulary, Texts } from "./texts.ts";
import { ofKind, startState } from "./values.ts";

/** The CLIP that comes with nada. */
export const DEMO_CLIP: ClipSize = {
  side: 64,
  patch: 8,
  imageWidth: 128,
  imageBlocks: 4,
  textWidth: 128,
  textBlocks: 2,
  context: 32,
  features: 64,
};

/** Steps, scenes a step (each in four styles), and the seed. */
export const CLIP_SETTINGS: Settings = { steps: 12_000, batch: 12, seed: 1 };

/** Of all steps, those without alignment: until styles are told apart it only learns tones. */
const CAPTIONS_ALONE = 1 / 20;

const ADAM = { beta1: 0.9, beta2: 0.98 };
const PEAK = 1e-3;
/** Of all steps, those in which the rate rises. */
const WARM_UP = 1 / 40;
const DECAY = 0.02;
const MAX_SCALE = 100;

/** Norms that gradients are limited to: that of the pairs' loss, which has spikes, and the sum's. */
const PAIRS_LIMIT = 1;
const LIMIT = 2;

export function clipPart(settings: Settings, size: ClipSize = DEMO_CLIP): Part {
  const { steps, seed } = settings;
  const vocabulary = cutVocabulary();
  const a = clipArchitecture(size, vocabulary);
  const texts = new Texts(vocabulary, size.context);
  const stage = (name: string, end: number, aligned: boolean) => ({
    name,
    end,
    open: () => Promise.resolve(openStage(a, texts, settings, aligned)),
  });
  return {
    name: "clip",
    stages: [
      stage("captions", Math.ceil(CAPTIONS_ALONE * steps), false),
      stage("alignment", steps, true),
    ],
    start: () => startState(initialClip(a, new StepRandom(seed, -2))),
    export: (_, state) =>
      Promise.resolve({
        tensors: ofKind(state, "mean"),
        metadata: {
          format: "pt",
          steps: String(steps),
          seed: String(seed),
          "nada.vocabulary": JSON.stringify(vocabulary),
          "nada.templates": JSON.stringify(STYLE_TEMPLATES),
        },
      }),
  };
}

function openStage(
  a: TransformerClip,
  texts: Texts,
  { steps, batch, seed }: Settings,
  aligned: boolean,
): OpenStage {
  const side = a.image.imageSize;
  const pairScenes = Math.ceil(batch / 2);
  return {
    problem: problemOf(a, { scenes: batch, pairScenes }, aligned),
    pictures: STYLES_EACH * (batch + (aligned ? 2 * pairScenes : 0)),
    inputs(step) {
      const random = new StepRandom(seed, step);
      const { captions, ...shown } = captionedPictures(random, { scenes: batch, side });
      const { ids, end } = texts.batch([...captions, ...directionTexts(random)]);
      const own = {
        key: random.key,
        ids,
        end,
        noise: Float32Array.from(captions, () => 0.1 * random.uniform()),
        tint: random.normals(3 * captions.length).map((value) => 0.1 * value),
        pictures: shown.pictures,
        edits: shown.edits,
        "of text": shown.ofText,
        "of picture": shown.ofPicture,
      };
      if (!aligned) return own;
      return {
        ...own,
        ...picturePairs(random, { scenes: pairScenes, side }),
        ...alignmentInputs(random, STYLES_EACH * pairScenes),
      };
    },
    rate: (step) => PEAK * riseAndFall(step, steps),
  };
}

/** Rises over the first steps, then falls as a cosine. */
function riseAndFall(step: number, steps: number): number {
  const fall = 0.01 + 0.99 * (1 + Math.cos(Math.PI * step / steps)) / 2;
  return Math.min((step + 1) / (WARM_UP * steps), fall);
}

function problemOf(
  a: TransformerClip,
  { scenes, pairScenes }: { scenes: number; pairScenes: number },
  aligned: boolean,
): Problem {
  const side = a.image.imageSize;
  const leaves = clipLeaves(a);
  // The same values once more: gradients do not flow to these.
  const fixed = clipLeaves(a);
  const n = STYLES_EACH * scenes;
  const encode = encodeImages(a, leaves);
  const key = input("key", [2], "u32");

  const pictures = encode(disturbed(input("pictures", [n, 3, side, side]), key));
  const encoded = (by: Readonly<Record<string, Tensor>>) => {
    const features = encodeTexts(a, by, n + STYLE_NAMES.length * DIRECTION_TEXTS);
    const [captions, named] = [0, n].map((from) =>
      slice(features, [from, 0], [from === 0 ? n : features.shape[0]! - n, a.features])
    );
    return { captions: captions!, directions: textDirections(named!, STYLE_NAMES.length) };
  };
  const { captions, directions } = encoded(leaves);
  const towards = (name: string, count: number, of: Tensor) =>
    matmul({ a: input(name, [count, OTHERS.length]), b: of }, {});
  const contrast = contrastiveLoss(pictures, captions, scaleOf(leaves), {
    ofText: input("of text", [n, n]),
    ofPicture: input("of picture", [n, n]),
  });
  const edits = towards("edits", scenes * (STYLES_EACH - 1), directions);
  const direction = directionLoss(pictures, edits, STYLES_EACH);
  const terms = [{ loss: add(contrast, mul(direction, 0.5)), limit: Infinity }];

  if (aligned) {
    const pairs = STYLES_EACH * pairScenes;
    const { whole, fine } = alignmentLosses(encode, encodeImages(a, fixed), {
      photos: input("photos", [pairs, 3, side, side]),
      truths: input("truths", [pairs, 3, side, side]),
      directions: towards("wanted", pairs, encoded(fixed).directions),
      key,
    });
    terms.push({ loss: add(whole, mul(fine, 0.5)), limit: PAIRS_LIMIT });
  }
  return { terms, limit: LIMIT, groups: groupsOf(leaves), adam: ADAM, meansSince: 0 };
}

/** Matrices decay, vectors do not. */
function groupsOf(leaves: Readonly<Record<string, Tensor>>): Group[] {
  const isMatrix = ([, { rank }]: [string, Tensor]) => rank >= 2;
  const entries = Object.entries(leaves);
  const group = (some: [string, Tensor][], decay: number) => ({
    leaves: Object.fromEntries(some),
    rate: 1,
    decay,
    since: 0,
  });
  return [
    group(entries.filter(isMatrix), DECAY),
    group(entries.filter((entry) => !isMatrix(entry)), 0),
  ];
}

/** Unit features of pictures `[n, 3, side, side]` in [-1, 1]. */
function encodeImages(a: TransformerClip, leaves: Readonly<Record<string, Tensor>>): Encode {
  const parameters = towerLeaves(a, "image", leaves);
  return (pictures) => {
    const pixels = preprocess(pictures, a.image.imageSize, "bicubic");
    return unit(imageStages(parameters, a.image, pixels).features);
  };
}

/** Unit features of the `n` texts that are fed. */
function encodeTexts(
  a: TransformerClip,
  leaves: Readonly<Record<string, Tensor>>,
  n: number,
): Tensor {
  const { contextLength } = a.text;
  const parameters = towerLeaves(a, "text", leaves);
  const ids = input("ids", [n, contextLength], "u32");
  const tokens = embedding({ table: parameters("token"), ids }, {});
  return unit(encodeText(parameters, a.text, { tokens, end: input("end", [n, contextLength]) }));
}

/** What cosines are multiplied by, at most 100. */
function scaleOf(leaves: Readonly<Record<string, Tensor>>): Tensor {
  return exp(neg(maximum(neg(leaves[LOGIT_SCALE]!), constant(-Math.log(MAX_SCALE)))));
}

/** Pictures with noise and a tint. */
function disturbed(pictures: Tensor, key: Tensor): Tensor {
  const n = pictures.shape[0]!;
  const noise = mul(input("noise", [n, 1, 1, 1]), randomNormal(key, pictures.shape));
  return add(add(pictures, noise), input("tint", [n, 3, 1, 1]));
}
