/**
 * The text tower: it learns to say of captioned pictures what the image tower sees.
 *
 * Two losses. The contrastive one of CLIP (Radford et al. 2021): among a batch of captioned pictures
 * in all styles, the caption that belongs to a picture and the picture that belongs to a caption, by
 * the features of an image tower that stays as it is. And a code that a text's feature is to be near
 * (`codes.ts`). The code makes differences of texts mean the same wherever they are taken, and has
 * the last word: the other loss counts less and less. The code's last number a caption may choose:
 * by it it can say how much it leaves open.
 */
import {
  add,
  embedding,
  matmul,
  mean,
  mul,
  slice,
  sub,
  sum,
  unit,
} from "../../../lib/graph/ops/mod.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { encodeText } from "../../clip/text.ts";
import {
  type Caption,
  caption,
  fill,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_NAMES,
  STYLE_TEMPLATES,
  STYLE_WORDS,
} from "../world/mod.ts";
import { clipLeaves, towerLeaves, type TransformerClip } from "./clip_weights.ts";
import { LOGIT_SCALE, wantedFeature } from "./codes.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage } from "./run.ts";
import { drawLayers, drawPlanes, joined } from "./scenes.ts";
import type { Texts } from "./texts.ts";
import { towerStages } from "./tower.ts";
import type { Vector } from "./vectors.ts";

const ADAM = { beta1: 0.9, beta2: 0.98 };
const PEAK = 1.5e-3;
const DECAY = 0.01;
const CONTRAST = 0.1;

/** image: the leaves of the image tower. */
export function openTexts(
  a: TransformerClip,
  image: Readonly<Record<string, Tensor>>,
  texts: Texts,
  { seed, captions, names, since, share, places }: {
    seed: number;
    /** Captioned pictures a step. */
    captions: number;
    /** Texts a step that name a style alone. */
    names: number;
    since: number;
    /** Of the rate, at a step. */
    share(step: number): number;
    places: readonly Vector[];
  },
): OpenStage {
  const count = captions + names;
  const side = a.image.imageSize;
  const leaves = clipLeaves(a, "text");
  const found = encodeTexts(a, leaves, count);
  const pictures = input("pictures", [captions, 3, side, side]);
  const seen = unit(towerStages(a, image, pictures).features);
  const contrast = contrastiveLoss(seen, slice(found, [0, 0], [captions, a.features]));
  const told = unit(mul(found, constant(heldNumbers(captions, count, a.features), found.shape)));
  const code = sub(1, mean(sum(mul(told, input("wanted", found.shape)), [1])));
  return {
    problem: {
      loss: add(code, mul(contrast, input("contrast", []))),
      groups: [{ leaves, rule: "adam", rate: PEAK, decay: DECAY, since }],
      adam: ADAM,
      meansSince: since,
    },
    pictures: captions,
    inputs(step) {
      const random = new StepRandom(seed, step);
      const shown = Array.from({ length: captions }, () => someCaption(random, side));
      const all = [
        ...shown.map(({ caption }) => caption),
        ...Array.from({ length: names }, () => someName(random)),
      ];
      const wanted = all.map((one) => wantedFeature(one, places, a.features));
      return {
        ...texts.batch(all.map(({ text }) => text)),
        pictures: joined(shown.map(({ picture }) => picture)),
        wanted: joined(wanted.map((feature) => Float32Array.from(feature))),
        contrast: Float32Array.of(CONTRAST * share(step)),
      };
    },
    rate: share,
  };
}

/** CLIP's, of unit features `[n, features]` of pictures and of their captions. */
export function contrastiveLoss(pictures: Tensor, captions: Tensor): Tensor {
  const n = pictures.shape[0]!;
  const own = new Float32Array(n * n);
  for (let i = 0; i < n; i++) own[i * n + i] = 1 / n;
  const losses = [[pictures, captions], [captions, pictures]].map(([a, b]) => {
    const logits = mul(matmul({ a: a!, b: b! }, { transposeB: true }), LOGIT_SCALE);
    return crossEntropy(logits, constant(own, [n, n]));
  });
  return mul(losses.reduce(add), 0.5);
}

/** `[count, features]`: 0 at the number that captions may choose, else 1. */
function heldNumbers(captions: number, count: number, features: number) {
  const held = new Float32Array(count * features).fill(1);
  for (let i = 0; i < captions; i++) held[(i + 1) * features - 1] = 0;
  return held;
}

function someCaption(random: StepRandom, side: number) {
  const z = random.normals(LATENT_SIZE);
  const style = STYLE_NAMES[random.whole(STYLE_NAMES.length)]!;
  return {
    caption: caption(sceneFromLatent(z), style, random.uniform),
    picture: drawPlanes(drawLayers(z), style, side),
  };
}

function someName(random: StepRandom): Caption {
  const style = STYLE_NAMES[random.whole(STYLE_NAMES.length)]!;
  const template = STYLE_TEMPLATES[random.whole(STYLE_TEMPLATES.length)]!;
  const words = STYLE_WORDS[style];
  return { text: fill(template, words[random.whole(words.length)]!), style, classes: {} };
}

/** Unit features of the `n` texts that are fed as "ids" and "end". */
export function encodeTexts(
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
