/** What the README's table of files names, row by row, as files that can be made. */
import type { Inspected } from "../models/recognise.ts";
import type { Bytes } from "./lib/checkpoint/bytes.ts";
import { RESNET_FORMS, VIT_FORMS } from "./models/clip/forms.ts";
import { type Form, FORMS, STYLEGAN3_FORMS } from "./models/generator/forms.ts";
import { madeUp } from "./models/stylegan2/made_up_tensorflow.ts";
import * as stylegan3 from "./models/stylegan3/made_up.ts";

/** The generators in the samples. */
export const GENERATORS = {
  stylegan2: madeUp(),
  T: stylegan3.madeUpTensors(stylegan3.madeUpDimensions("T"), 1),
  R: stylegan3.madeUpTensors(stylegan3.madeUpDimensions("R"), 1),
} as const;

/** The model in a sample; all samples of one have the same numbers. */
export type ModelName = keyof typeof GENERATORS | "vit" | "resnet";

/** A file, or a folder of some, that is given to nada. */
export interface Sample {
  readonly name: string;
  /** The name of its form. */
  readonly form: string;
  readonly model: ModelName;
  readonly files: Readonly<Record<string, () => Bytes>>;
  /** The file that is given, or "" for the folder. */
  readonly given: string;
  /** Whether its weights have checksums. */
  readonly isChecked: boolean;
}

export interface Row {
  /** The first two cells. */
  readonly kind: string;
  readonly file: string;
  readonly samples: readonly Sample[];
  /** Whether a file that was looked into is one of this row. */
  readonly isOf: (found: Inspected) => boolean;
}

type GeneratorForm = (typeof FORMS | typeof STYLEGAN3_FORMS)[number];

function file<F extends GeneratorForm>(
  forms: readonly F[],
  name: F["name"],
  model: keyof typeof GENERATORS,
): Sample {
  const form: Form = forms.find((form) => form.name === name)!;
  const files = { generator: () => form.make(GENERATORS[model]) };
  return { name, form: name, model, files, given: "generator", isChecked: form.isChecked ?? false };
}

const stylegan2 = (name: typeof FORMS[number]["name"]) => file(FORMS, name, "stylegan2");

/** Of both configurations. */
function both(name: typeof STYLEGAN3_FORMS[number]["name"]): Sample[] {
  return (["T", "R"] as const).map((model) => {
    const sample = file(STYLEGAN3_FORMS, name, model);
    return { ...sample, name: `${name}, configuration ${model}` };
  });
}

/** The same as a folder of Hugging Face's. */
function inFolder(sample: Sample): Sample {
  const name = `a folder with ${sample.name}`;
  return { ...sample, name, files: { "model.safetensors": sample.files.generator! }, given: "" };
}

function clips(pattern: RegExp): Sample[] {
  return [
    ...VIT_FORMS.map((form) => ({ ...form, form: form.name, model: "vit" as const })),
    ...RESNET_FORMS.map((form) => ({ ...form, form: form.name, model: "resnet" as const })),
  ].filter(({ name }) => pattern.test(name));
}

/** Whose names the tensors have; StyleGAN3 has but one layout. */
const layoutOf = ({ contents }: Inspected) => "layout" in contents ? contents.layout : null;

export const ROWS: readonly Row[] = [
  {
    kind: "StyleGAN2",
    file: "rosinality's `.pt`: a generator, a training checkpoint, a result of StyleGAN-NADA",
    samples: [
      stylegan2("a .pt of a generator"),
      stylegan2("rosinality's training checkpoint"),
      stylegan2("a result of StyleGAN-NADA"),
    ],
    isOf: (found) => found.format === "torch zip" && layoutOf(found) === "rosinality",
  },
  {
    kind: "StyleGAN2",
    file: "the same as PyTorch wrote it before 1.6",
    samples: [
      stylegan2("a .pt of a generator from before PyTorch 1.6"),
      stylegan2("rosinality's training checkpoint from before PyTorch 1.6"),
      stylegan2("a result of StyleGAN-NADA from before PyTorch 1.6"),
    ],
    isOf: (found) => found.format === "torch legacy" && layoutOf(found) === "rosinality",
  },
  {
    kind: "StyleGAN2",
    file: "safetensors with rosinality's names, a Hugging Face folder of them",
    samples: [
      stylegan2("safetensors with rosinality's names"),
      stylegan2("nada's own safetensors"),
      inFolder(stylegan2("safetensors with rosinality's names")),
    ],
    isOf: (found) => found.format === "safetensors" && layoutOf(found) === "rosinality",
  },
  {
    kind: "StyleGAN2",
    file: "NVIDIA's `.pkl`: stylegan2-ada-pytorch, and stylegan3's repository",
    samples: [
      stylegan2("NVIDIA's pickle of stylegan2-ada-pytorch"),
      stylegan2("NVIDIA's pickle of a StyleGAN2 by the code for StyleGAN3"),
    ],
    isOf: (found) => found.format === "pickle" && layoutOf(found) === "nvidia",
  },
  {
    kind: "StyleGAN2",
    file: "NVIDIA's `.pkl` of the code for TensorFlow: stylegan2, stylegan2-ada",
    samples: [
      stylegan2("NVIDIA's pickle for TensorFlow"),
      stylegan2("NVIDIA's pickle for TensorFlow with ADA"),
    ],
    isOf: (found) => found.format === "pickle" && layoutOf(found) === "tensorflow",
  },
  {
    kind: "StyleGAN2",
    file: "safetensors with NVIDIA's names",
    samples: [
      stylegan2("safetensors with NVIDIA's names"),
      stylegan2("safetensors with the names of NVIDIA's code for TensorFlow"),
    ],
    isOf: (found) =>
      found.format === "safetensors" && ["nvidia", "tensorflow"].includes(layoutOf(found) ?? ""),
  },
  {
    kind: "StyleGAN3",
    file: "T and R: NVIDIA's `.pkl`",
    samples: both("NVIDIA's pickle of StyleGAN3"),
    isOf: ({ format, contents }) => format === "pickle" && contents.kind === "stylegan3",
  },
  {
    kind: "StyleGAN3",
    file: "safetensors, a Hugging Face folder of them",
    samples: [
      ...both("safetensors of StyleGAN3"),
      file(STYLEGAN3_FORMS, "nada's own safetensors of StyleGAN3", "T"),
      inFolder(file(STYLEGAN3_FORMS, "safetensors of StyleGAN3", "R")),
    ],
    isOf: ({ format, contents }) => format === "safetensors" && contents.kind === "stylegan3",
  },
  {
    kind: "CLIP",
    file: "OpenAI's `.pt`, ViT or ResNet: TorchScript archive or state dict",
    samples: clips(/OpenAI's|ResNet/),
    isOf: (found) => layoutOf(found) === "openai",
  },
  {
    kind: "CLIP",
    file: "open_clip's `.bin`, `.pt` or `.safetensors` with a ViT (LAION's models), or its folder",
    samples: clips(/open_clip/),
    isOf: (found) => layoutOf(found) === "openai",
  },
  {
    kind: "CLIP",
    file: "Hugging Face's folder with a ViT: `model.safetensors` or `pytorch_model.bin`",
    samples: clips(/Hugging Face/),
    isOf: (found) => layoutOf(found) === "huggingface",
  },
];

/** The names of all forms that there are, each of which belongs into a row. */
export const ALL_FORMS = [...FORMS, ...STYLEGAN3_FORMS, ...VIT_FORMS, ...RESNET_FORMS]
  .map(({ name }) => name);
