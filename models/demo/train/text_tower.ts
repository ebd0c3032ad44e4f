/** The text tower: it learns from captions alone what features texts should have. */
import { embedding, mean, mul, sub, sum, unit } from "../../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { encodeText } from "../../clip/text.ts";
import { type Caption, caption, LATENT_SIZE, sceneFromLatent, STYLE_NAMES } from "../world/mod.ts";
import { clipLeaves, towerLeaves, type TransformerClip } from "./clip_weights.ts";
import { wantedFeature } from "./codes.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage } from "./run.ts";
import { joined } from "./scenes.ts";
import type { Texts } from "./texts.ts";
import type { Vector } from "./vectors.ts";

const ADAM = { beta1: 0.9, beta2: 0.98 };
const PEAK = 1.5e-3;
const DECAY = 0.01;

export function openTexts(
  a: TransformerClip,
  texts: Texts,
  { seed, batch, since, share, places }: {
    seed: number;
    /** Captions a step. */
    batch: number;
    since: number;
    /** Of the rate, at a step. */
    share(step: number): number;
    places: readonly Vector[];
  },
): OpenStage {
  const leaves = clipLeaves(a, "text");
  const found = encodeTexts(a, leaves, batch);
  const cosine = sum(mul(found, input("wanted", [batch, a.features])), [1]);
  return {
    problem: {
      loss: sub(1, mean(cosine)),
      groups: [{ leaves, rule: "adam", rate: PEAK, decay: DECAY, since }],
      adam: ADAM,
      meansSince: since,
    },
    pictures: 0,
    inputs(step) {
      const captions = someCaptions(new StepRandom(seed, step), batch);
      const wanted = captions.map((one) => wantedFeature(one, places, a.features));
      return {
        ...texts.batch(captions.map(({ text }) => text)),
        wanted: joined(wanted.map((feature) => Float32Array.from(feature))),
      };
    },
    rate: share,
  };
}

function someCaptions(random: StepRandom, count: number): Caption[] {
  return Array.from({ length: count }, () => {
    const scene = sceneFromLatent(random.normals(LATENT_SIZE));
    const style = STYLE_NAMES[random.whole(STYLE_NAMES.length)]!;
    return caption(scene, style, random.uniform);
  });
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
