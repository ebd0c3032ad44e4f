/** The CLIP's architecture, and its parameters under OpenAI's names. */
import { constant, numel, type Shape, type Tensor } from "../../../lib/graph/tensor.ts";
import {
  type Architecture,
  openaiSettings,
  type VitArchitecture,
} from "../../clip/architecture.ts";
import { type SizeName, type Tower, towerPlaces } from "../../clip/names.ts";
import type { Parameters } from "../../clip/transformer.ts";
import { weightLeaf } from "./optimiser.ts";
import type { StepRandom } from "./random.ts";
import type { Values } from "./values.ts";

export interface ClipSize {
  /** Sides of pictures and of their patches in pixels. */
  readonly side: number;
  readonly patch: number;
  readonly imageWidth: number;
  /** The last one tells attributes; those before it know styles. */
  readonly imageBlocks: number;
  readonly textWidth: number;
  readonly textBlocks: number;
  /** The longest text in tokens. */
  readonly context: number;
  readonly features: number;
  /** Photos that attributes are read from at the end; the styles have an eighth of these each. */
  readonly scenes: number;
}

/** A CLIP both of whose towers are transformers. */
export type TransformerClip = Architecture & { readonly image: VitArchitecture };

/** The CLIP of that size for texts of the tokens in `vocabulary`. */
export function clipArchitecture(
  size: ClipSize,
  vocabulary: readonly number[],
): TransformerClip {
  const tower = (name: Tower, width: number, blocks: number) => ({
    ...openaiSettings(name, width, "demo"),
    width,
    hidden: 4 * width,
    blocks,
  });
  return {
    features: size.features,
    image: {
      kind: "vit",
      ...tower("image", size.imageWidth, size.imageBlocks),
      imageSize: size.side,
      patchSize: size.patch,
    },
    text: {
      ...tower("text", size.textWidth, size.textBlocks),
      contextLength: size.context,
      vocabSize: vocabulary.length + 2,
      vocabulary,
    },
  };
}

interface Parameter {
  readonly tower: Tower;
  /** As the graphs of CLIP call it. */
  readonly name: string;
  /** As files call it. */
  readonly stored: string;
  readonly shape: Shape;
}

/** The parameters of both towers. */
function parameters({ features, image, text }: TransformerClip): Parameter[] {
  const cells = (image.imageSize / image.patchSize) ** 2;
  const sizes: Record<Tower, Partial<Record<SizeName, number>>> = {
    image: { positions: cells + 1, patch: image.patchSize },
    text: { positions: text.contextLength, vocabulary: text.vocabSize },
  };
  return (["image", "text"] as const).flatMap((tower) => {
    const { width, hidden, blocks } = tower === "image" ? image : text;
    const known: Record<string, number> = { ...sizes[tower], width, hidden, features };
    const sizeOf = (axis: string) =>
      axis.split("*").reduce((product, factor) => product * (known[factor] ?? Number(factor)), 1);
    return towerPlaces("openai", tower, blocks).map(({ name, shape, parts }) => ({
      tower,
      name,
      stored: parts[0]!.name,
      shape: shape.map(sizeOf),
    }));
  });
}

/** Leaves of a tower's parameters, by their names in files. */
export function clipLeaves(a: TransformerClip, tower: Tower): Record<string, Tensor> {
  const own = parameters(a).filter((parameter) => parameter.tower === tower);
  return Object.fromEntries(own.map(({ stored, shape }) => [stored, weightLeaf(stored, shape)]));
}

/** The same as constants. */
export function fixedLeaves(
  a: TransformerClip,
  tower: Tower,
  weights: ReadonlyMap<string, Values>,
): Record<string, Tensor> {
  const own = parameters(a).filter((parameter) => parameter.tower === tower);
  return Object.fromEntries(own.map(({ stored }) => {
    const { shape, data } = weights.get(stored)!;
    return [stored, constant(data, shape)];
  }));
}

/** The CLIP without its last block. */
export const withoutLastBlock = (a: TransformerClip): TransformerClip => ({
  ...a,
  image: { ...a.image, blocks: a.image.blocks - 1 },
});

/** What the names of the image tower's last block begin with in files. */
export const lastBlock = ({ image }: TransformerClip): string =>
  `visual.transformer.resblocks.${image.blocks - 1}`;

/** The leaves of a tower as its graph asks for them. */
export function towerLeaves(
  a: TransformerClip,
  tower: Tower,
  leaves: Readonly<Record<string, Tensor>>,
): Parameters {
  const own = parameters(a).filter((parameter) => parameter.tower === tower);
  const stored = new Map(own.map(({ name, stored }) => [name, stored]));
  return (name) => leaves[stored.get(name)!]!;
}

/** Random weights that keep the size of what goes through them. */
export function initialClip(a: TransformerClip, random: StepRandom): Map<string, Values> {
  return new Map(
    parameters(a).map(({ tower, name, stored, shape }): [string, Values] => {
      const count = numel(shape);
      if (/norm\w*\.weight$/.test(name)) {
        return [stored, { shape, data: new Float32Array(count).fill(1) }];
      }
      if (name.endsWith(".bias")) return [stored, { shape, data: new Float32Array(count) }];
      const deviation = deviationOf(a, tower, name.replace(/^blocks\.\d+\./, ""));
      return [stored, { shape, data: random.normals(count).map((value) => deviation * value) }];
    }),
  );
}

function deviationOf({ image, text }: TransformerClip, tower: Tower, name: string): number {
  const { width, blocks } = tower === "image" ? image : text;
  const plain = width ** -0.5;
  // Blocks add to what goes by them: the more there are, the less each may add.
  const added = plain / Math.sqrt(2 * blocks);
  switch (name) {
    case "patch":
      return 1 / (image.patchSize * Math.sqrt(3));
    case "position":
      // What the gradient says of a patch comes through what the tower knows of its place.
      return tower === "image" ? 1 : 0.05;
    case "token":
      return 0.1;
    case "out.weight":
      return added;
    case "fc2.weight":
      return added / 2;
    default:
      return plain;
  }
}
