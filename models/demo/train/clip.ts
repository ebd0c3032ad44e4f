/**
 * The demo CLIP from nothing. Its image tower first learns that its gradient leads from a photo to a
 * style, then, in a last block, to tell people's attributes, and gets a projection; its text tower
 * learns from captioned pictures to say what the image tower sees.
 */
import { add, mean, mul, slice, unit } from "../../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { STYLE_TEMPLATES } from "../world/mod.ts";
import { Adaptations } from "./adaptations.ts";
import { alignment } from "./alignment.ts";
import { finishAttributes, openAttributes, prepareAttributes } from "./attributes.ts";
import {
  clipArchitecture,
  clipLeaves,
  type ClipSize,
  initialClip,
  type TransformerClip,
  withoutLastBlock,
} from "./clip_weights.ts";
import { stylePlaces, waysOf } from "./codes.ts";
import { fittedClip, fittedLeaves, fittedState } from "./fit.ts";
import type { FixedGenerator } from "./generator_weights.ts";
import type { Group } from "./optimiser.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage, Part } from "./run.ts";
import { joined } from "./scenes.ts";
import type { Settings } from "./state_file.ts";
import { batchInputs, GROUP, type Groups, shownPictures } from "./style_space.ts";
import { openTexts } from "./text_tower.ts";
import { cutVocabulary, Texts } from "./texts.ts";
import { towerStages } from "./tower.ts";
import { startState } from "./values.ts";
import type { Vector } from "./vectors.ts";

/** The CLIP that comes with nada. */
export const DEMO_CLIP: ClipSize = {
  side: 64,
  patch: 8,
  imageWidth: 192,
  imageBlocks: 5,
  textWidth: 128,
  textBlocks: 2,
  context: 32,
  features: 160,
  scenes: 1024,
};

/** Steps of the alignment, groups of four pictures a step, and the seed. */
export const CLIP_SETTINGS: Settings = { steps: 2800, batch: 10, seed: 1 };

/** Steps after the alignment, as parts of it, and what the stages see in each for a group there. */
const ATTRIBUTES = { steps: 4 / 7, photos: 8, styled: 8 };
const TEXTS = { steps: 5 / 7, captions: 6, names: 3 };
/** Of the steps of the alignment, those in which the gradient would lead adaptations nowhere. */
const STILL = 1 / 4;
/** Of a stage's steps, those in which the rate rises. */
const WARM_UP = 1 / 60;

const ADAM = { beta1: 0.9, beta2: 0.98 };
const RATES = { adam: 2.5e-3, muon: 0.008 };
const DECAYS = { adam: 0, muon: 0.02 };

/** `generator` gives what the pictures come from. */
export function clipPart(
  settings: Settings,
  generator: () => Promise<FixedGenerator>,
  size: ClipSize = DEMO_CLIP,
): Part {
  const { steps, batch, seed } = settings;
  const { scenes } = size;
  const vocabulary = cutVocabulary();
  const a = clipArchitecture(size, vocabulary);
  const texts = new Texts(vocabulary, size.context);
  const places = stylePlaces(new StepRandom(seed, -4), size.features);
  const aligned = steps;
  const told = aligned + Math.ceil(ATTRIBUTES.steps * steps);
  const end = told + Math.ceil(TEXTS.steps * steps);
  const fit = () => ({ places, scenes, random: new StepRandom(seed, -5) });
  const share = (since: number, end: number) => (step: number) =>
    riseAndFall(step - since, end - since);
  return {
    name: "clip",
    stages: [
      {
        name: "alignment",
        end: aligned,
        open: async () =>
          openAlignment(withoutLastBlock(a), await generator(), {
            settings,
            places,
            share: share(0, aligned),
          }),
        finish: (gpu, state) => prepareAttributes(gpu, a, state, { places, scenes, seed }),
      },
      {
        name: "attributes",
        end: told,
        open: (_, state) =>
          Promise.resolve(openAttributes(a, state, {
            seed,
            photos: ATTRIBUTES.photos * batch,
            styled: ATTRIBUTES.styled * batch,
            since: aligned,
            share: share(aligned, told),
          })),
        finish: (gpu, state) => fittedState(gpu, a, finishAttributes(a, state), fit()),
      },
      {
        name: "texts",
        end,
        open: (_, state) =>
          Promise.resolve(openTexts(a, fittedLeaves(a, state), texts, {
            seed,
            captions: TEXTS.captions * batch,
            names: TEXTS.names * batch,
            since: told,
            share: share(told, end),
            places,
          })),
      },
    ],
    start: () => startState(initialClip(a, new StepRandom(seed, -2))),
    export: async (gpu, state) => ({
      tensors: await fittedClip(gpu, a, state, { texts, ...fit() }),
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

/** Rises over the first steps, then falls as a cosine. */
function riseAndFall(step: number, steps: number): number {
  const fall = 0.01 + 0.99 * (1 + Math.cos(Math.PI * step / steps)) / 2;
  return Math.min((step + 1) / (WARM_UP * steps), fall);
}

/** A batch of `count` groups: two fifths on paths, two fifths of adaptations, the rest blends. */
function groupsOf(count: number): Groups {
  const met = Math.min(7, Math.max(1, Math.round(0.4 * count)));
  const blends = Math.max(1, Math.round(0.2 * count));
  return { paths: Math.max(1, count - met - blends), met, blends };
}

function openAlignment(
  a: TransformerClip,
  generator: FixedGenerator,
  { settings: { steps, batch, seed }, places, share }: {
    settings: Settings;
    places: readonly Vector[];
    share(step: number): number;
  },
): OpenStage {
  const groups = groupsOf(batch);
  const adaptations = new Adaptations(generator, {
    count: groups.met,
    since: Math.round(STILL * steps),
    seed,
  });
  const leaves = clipLeaves(a, "image");
  const { pictures, met } = shownPictures(generator, adaptations, groups);
  const { directions } = waysOf(places);
  const { whole, fine, own, gradient } = alignment(
    (pictures) => unit(towerStages(a, leaves, pictures).features),
    {
      pictures,
      truths: input("truths", pictures.shape),
      directions: input("directions", [pictures.shape[0]!, a.features]),
      groups: { count: groups.paths + groups.met, size: GROUP },
    },
  );
  const first = [GROUP * groups.paths, 0, 0, 0];
  const beside = adaptations.beside(met, slice(gradient, first, met.shape), GROUP);
  return {
    problem: {
      loss: mul([whole, fine, own].map((one) => mean(one)).reduce(add), 2),
      groups: groupsOfLeaves(leaves),
      adam: ADAM,
      meansSince: 0,
      beside,
    },
    pictures: pictures.shape[0]!,
    inputs(step) {
      const random = new StepRandom(seed, step);
      const { inputs, styles } = batchInputs(random, generator, groups, adaptations.stylesAt(step));
      const wanted = styles.map((k) => {
        const direction = new Float32Array(a.features);
        direction.set(directions[k]!);
        return direction;
      });
      return { ...inputs, ...adaptations.inputs(step), directions: joined(wanted) };
    },
    rate: share,
  };
}

/** Matrices of the blocks learn by Muon, all else by Adam. */
function groupsOfLeaves(leaves: Readonly<Record<string, Tensor>>): Group[] {
  const split = Object.groupBy(
    Object.entries(leaves),
    ([name, { rank }]) => rank === 2 && name.includes("resblocks") ? "muon" : "adam",
  );
  return (["muon", "adam"] as const).map((rule) => ({
    leaves: Object.fromEntries(split[rule] ?? []),
    rule,
    rate: RATES[rule],
    decay: DECAYS[rule],
    since: 0,
  }));
}
