/** What the tensors of a CLIP model are called, here and in the files that it comes in. */

/** The layouts: that of OpenAI, which open_clip keeps, and that of Hugging Face's CLIPModel. */
export type Layout = "openai" | "huggingface";

export type Tower = "image" | "text";

/**
 * The sizes that shapes are made of; `vocabulary` belongs to texts, `patch` to images, and `half`,
 * half the channels behind the stem, to those of ResNets.
 */
export type SizeName =
  | "width"
  | "hidden"
  | "positions"
  | "features"
  | "patch"
  | "vocabulary"
  | "half";

/**
 * One tensor: its name here, its shape here, and where each layout has it. `{q,k,v}` stands for
 * three tensors that are joined along their first axis, `.T` for the transpose of the tensor.
 */
type Row = readonly [name: string, shape: string, openai: string, huggingface: string];

/**
 * How a weight is made of tensors: "joined" along their first axis, which leaves a single one as it
 * is; "transposed"; or, with a batch norm folded in, a convolution's weight, "scaled", and the bias
 * that it did not have, "shifted".
 */
export type Make = "joined" | "transposed" | "scaled" | "shifted";

/** A size, a number, or a number times a size for each axis: `["3*width", "width"]`. */
export type Axes = readonly string[];

/** One weight, and what a file has for it. */
export interface Place {
  /** The name here, as in "blocks.0.qkv.weight". */
  readonly name: string;
  readonly shape: Axes;
  readonly make: Make;
  /** Names and shapes in the file. */
  readonly parts: readonly { readonly name: string; readonly shape: Axes }[];
}

// deno-fmt-ignore
const IMAGE: readonly Row[] = [
  ["patch", "width 3 patch patch", "visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"],
  ["class", "width", "visual.class_embedding", "vision_model.embeddings.class_embedding"],
  ["position", "positions width", "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"],
  // Hugging Face misspells this one.
  ["norm_pre.weight", "width", "visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"],
  ["norm_pre.bias", "width", "visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"],
  ["norm_post.weight", "width", "visual.ln_post.weight", "vision_model.post_layernorm.weight"],
  ["norm_post.bias", "width", "visual.ln_post.bias", "vision_model.post_layernorm.bias"],
  ["projection", "width features", "visual.proj", "visual_projection.weight.T"],
];

// deno-fmt-ignore
const TEXT: readonly Row[] = [
  ["token", "vocabulary width", "token_embedding.weight", "text_model.embeddings.token_embedding.weight"],
  ["position", "positions width", "positional_embedding", "text_model.embeddings.position_embedding.weight"],
  ["norm_post.weight", "width", "ln_final.weight", "text_model.final_layer_norm.weight"],
  ["norm_post.bias", "width", "ln_final.bias", "text_model.final_layer_norm.bias"],
  ["projection", "width features", "text_projection", "text_projection.weight.T"],
];

// deno-fmt-ignore
const BLOCK: readonly Row[] = [
  ["norm1.weight", "width", "ln_1.weight", "layer_norm1.weight"],
  ["norm1.bias", "width", "ln_1.bias", "layer_norm1.bias"],
  ["qkv.weight", "3*width width", "attn.in_proj_weight", "self_attn.{q,k,v}_proj.weight"],
  ["qkv.bias", "3*width", "attn.in_proj_bias", "self_attn.{q,k,v}_proj.bias"],
  ["out.weight", "width width", "attn.out_proj.weight", "self_attn.out_proj.weight"],
  ["out.bias", "width", "attn.out_proj.bias", "self_attn.out_proj.bias"],
  ["norm2.weight", "width", "ln_2.weight", "layer_norm2.weight"],
  ["norm2.bias", "width", "ln_2.bias", "layer_norm2.bias"],
  ["fc1.weight", "hidden width", "mlp.c_fc.weight", "mlp.fc1.weight"],
  ["fc1.bias", "hidden", "mlp.c_fc.bias", "mlp.fc1.bias"],
  ["fc2.weight", "width hidden", "mlp.c_proj.weight", "mlp.fc2.weight"],
  ["fc2.bias", "width", "mlp.c_proj.bias", "mlp.fc2.bias"],
];

/** What the names of a tower's blocks begin with in a file; the block's number follows. */
const BLOCKS: Record<Layout, Record<Tower, string>> = {
  openai: { image: "visual.transformer.resblocks.", text: "transformer.resblocks." },
  huggingface: { image: "vision_model.encoder.layers.", text: "text_model.encoder.layers." },
};

/** The logarithm of what cosines are multiplied by: the one tensor that is in no tower. */
export const LOGIT_SCALE = "logit_scale";

/** Names by which a layout is recognised, and an image tower that is a ResNet. */
export const HALLMARKS: Record<Layout | "resnet", string> = {
  openai: "visual.conv1.weight",
  huggingface: "vision_model.embeddings.patch_embedding.weight",
  resnet: "visual.layer1.0.conv1.weight",
};

/** What training scripts put in front of the names: a container, and the wrapper of parallel training. */
const PREFIXES = ["", "state_dict.", "module.", "state_dict.module."];

/** The tensors of a model in a file by their names in its layout, without what is beside it. */
export function modelTensors<T>(tensors: Map<string, T>): Map<string, T> {
  const marks = Object.values(HALLMARKS);
  const prefix = PREFIXES.find((prefix) => marks.some((mark) => tensors.has(prefix + mark)));
  if (!prefix) return tensors;
  return new Map(
    tensors.entries().filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
}

/** All weights of a transformer tower of so many blocks; the first part to name a size defines it. */
export function towerPlaces(layout: Layout, tower: Tower, blocks: number): Place[] {
  const rows = tower === "image" ? IMAGE : TEXT;
  return [
    ...rows.map((row) => placeOf(row, layout)),
    ...Array.from({ length: blocks }, (_, i) => {
      const filePrefix = `${BLOCKS[layout][tower]}${i}.`;
      return BLOCK.map((row) => placeOf(row, layout, `blocks.${i}.`, filePrefix));
    }).flat(),
  ];
}

/** How many blocks with different numbers a transformer tower has among these names. */
export function countBlocks(layout: Layout, tower: Tower, names: Iterable<string>): number {
  const prefix = BLOCKS[layout][tower];
  const numbers = new Set<string>();
  for (const name of names) {
    if (name.startsWith(prefix)) numbers.add(name.slice(prefix.length).split(".")[0]!);
  }
  return numbers.size;
}

function placeOf(row: Row, layout: Layout, prefix = "", filePrefix = ""): Place {
  const [name, axes, openai, huggingface] = row;
  const spelled = filePrefix + (layout === "openai" ? openai : huggingface);
  const source = spelled.replace(/\.T$/, "");
  const [braces, letters] = /\{(.*)\}/.exec(source) ?? [];
  const names = letters?.split(",").map((letter) => source.replace(braces!, letter)) ?? [source];
  const transposed = source !== spelled;
  const shape = axes.split(" ");
  const partShape = shape.map((axis) => axis.replace(`${names.length}*`, ""));
  return {
    name: prefix + name,
    shape,
    make: transposed ? "transposed" : "joined",
    parts: names.map((name) => ({ name, shape: transposed ? partShape.toReversed() : partShape })),
  };
}
