import type { Command } from "commander";
import type { TensorEntry } from "../lib/checkpoint/mod.ts";
import type {
  Architecture as ClipArchitecture,
  TransformerArchitecture,
} from "../models/clip/architecture.ts";
import { generatorPath } from "../models/catalog.ts";
import { type Inspected, inspectFile, type Recognised } from "../models/recognise.ts";
import { generatorFields, generatorTitle } from "./inspect_generator.ts";
import {
  counted,
  type Field,
  fieldLines,
  formatBytes,
  formatCount,
  printable,
  reportWidth,
  wrap,
} from "./layout.ts";

interface Flags {
  tensors?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  nada inspect ffhq.pt
  nada inspect clip-vit-base-patch32/
  nada inspect --tensors runs/sketch/adapted.safetensors
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .argument(
      "<file>",
      "generator, CLIP model or its folder, delta, any tensors; or demo",
      generatorPath,
    )
    .option("--tensors", "list all tensors")
    .option("--json", "print everything as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, { tensors = false, json = false }: Flags) => {
      const inspected = await inspectFile(path);
      console.log(
        json
          ? JSON.stringify(describe(inspected, tensors), null, 2)
          : render(inspected, { tensors, width: reportWidth() }),
      );
    });
}

/** The report for people, no wider than `width`. */
export function render(
  inspected: Inspected,
  { tensors, width }: { tensors: boolean; width: number },
): string {
  const { file, format, sizeBytes, contents, metadata, values, networks } = inspected;
  const entries = [...inspected.tensors.values()];
  const fields: Field[] = [
    ["File", file],
    ["Kind", title(contents)],
    ["Format", `${FORMATS[format]}, ${formatBytes(sizeBytes)}`],
    ...contentFields(contents),
    ...otherFields("Networks", [...networks].map(([path, name]) => [path || "the whole", name])),
    ["Tensors", tensorSummary(entries)],
    ...otherFields("Metadata", Object.entries(metadata)),
    ...otherFields("Values", [...values].filter(([name]) => !MODULE_FLAG.test(name))),
  ];
  const lines = fieldLines(fields.map(([name, value]) => [name, printable(value)]), width);
  // What is no model is best told by what it holds.
  const isModel = !["tensors", "samples", "features"].includes(contents.kind);
  const listed = tensors ? entries : isModel ? [] : entries.slice(0, SOME);
  if (listed.length > 0) lines.push("", ...tensorTable(listed, width));
  if (listed.length > 0 && listed.length < entries.length) {
    lines.push(`and ${entries.length - listed.length} more, which --tensors lists`);
  }
  return lines.join("\n");
}

/** What PyTorch keeps in every module of a TorchScript archive. */
const MODULE_FLAG = /(^|\.)(training|_is_full_backward_hook)$/;

/** As many lines as one looks through without asking for all. */
const SOME = 20;

const FORMATS: Record<Inspected["format"], string> = {
  safetensors: "safetensors",
  "torch zip": "PyTorch archive (torch.save)",
  torchscript: "TorchScript archive",
  "torch legacy": "PyTorch file of before 1.6",
  pickle: "Python pickle",
};

const TOWERS = { vit: "vision transformer", resnet: "ResNet" };

const LAYOUTS = { openai: "OpenAI's names", huggingface: "a Hugging Face CLIPModel" };

function title(contents: Recognised): string {
  switch (contents.kind) {
    case "stylegan2":
    case "stylegan3":
      return generatorTitle(contents);
    case "clip":
      return `CLIP with a ${TOWERS[contents.architecture.image.kind]}, ${LAYOUTS[contents.layout]}`;
    case "delta":
      return "adapted generator: what differs from its base";
    case "resume":
      return "state of a run, for --resume";
    case "unusable":
      return `${contents.looksLike} that nada cannot use`;
    case "samples":
      return "images of a generator, with their latents";
    case "features":
      return "features of images and texts in CLIP's space";
    case "tensors":
      return "tensors, of no model that nada knows";
  }
}

function contentFields(contents: Recognised): Field[] {
  switch (contents.kind) {
    case "stylegan2":
    case "stylegan3":
      return [...generatorFields(contents), ["Parameters", formatCount(contents.parameters)]];
    case "clip":
      return [
        ...clipFields(contents.architecture),
        ["Parameters", formatCount(contents.parameters)],
      ];
    case "delta": {
      const { prompt, base } = contents;
      return [
        ...(prompt ? [["Prompt", `"${prompt.source}" to "${prompt.target}"`] as const] : []),
        ["Base", `${base.file}, sha256 ${base.sha256}`],
      ];
    }
    case "resume":
      return [["Steps", `${formatCount(contents.step)} done`]];
    case "unusable":
      return [["Reason", contents.reason]];
    default:
      return [];
  }
}

function clipFields({ features, image, text }: ClipArchitecture): Field[] {
  return [
    ["Features", String(features)],
    ...imageFields(image),
    ["Text", `${text.contextLength} tokens, vocabulary ${formatCount(text.vocabSize)}`],
    ["Text tower", transformer(text)],
  ];
}

function imageFields(image: ClipArchitecture["image"]): Field[] {
  const size = `${image.imageSize}x${image.imageSize}`;
  if (image.kind === "vit") {
    return [
      ["Image", `${size}, patches of ${image.patchSize}`],
      ["Image tower", transformer(image)],
    ];
  }
  const { layers, width, heads } = image;
  const tower = `layers of ${layers.join(", ")} blocks, width ${width}, pooling by ` +
    counted(heads, "head");
  return [["Image", size], ["Image tower", tower]];
}

function transformer({ blocks, width, hidden, heads, activation }: TransformerArchitecture) {
  return `${counted(blocks, "layer")}, width ${width}, ${counted(heads, "head")}, ` +
    `perceptron ${hidden} (${activation.replace("_", "-")})`;
}

function tensorSummary(entries: readonly TensorEntry[]): string {
  const elements = entries.reduce((sum, { count }) => sum + count, 0);
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const types = Object.entries(dtypes(entries)).map(([name, { tensors }]) => `${tensors} ${name}`);
  return `${entries.length} (${types.join(", ") || "none"}), ${formatCount(elements)} elements, ` +
    formatBytes(bytes);
}

function dtypes(entries: readonly TensorEntry[]) {
  const counts: Record<string, { tensors: number; elements: number }> = {};
  for (const { dtype, count } of entries) {
    const sum = counts[dtype] ??= { tensors: 0, elements: 0 };
    sum.tensors++;
    sum.elements += count;
  }
  return counts;
}

/** A few of the other things in a file; nada's own are shown above in words. */
function otherFields(name: string, all: readonly (readonly [string, unknown])[]): Field[] {
  const others = all.filter(([key]) => !key.startsWith("nada."));
  if (others.length === 0) return [];
  const shown = others.slice(0, 6).map(([key, value]) => {
    const text = String(value);
    return `${key} ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
  });
  const rest = others.length - shown.length;
  return [[name, shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "")]];
}

/** Name, type and shape; a name that is too long for its column gets a line to itself. */
function tensorTable(entries: readonly TensorEntry[], width: number): string[] {
  const rows = entries.map(({ name, dtype, shape }) => ({
    name: printable(name),
    rest: `${dtype.padEnd(5)} ${shape.length === 0 ? "scalar" : shape.join("x")}`,
  }));
  const widest = Math.max(...rows.map(({ rest }) => rest.length));
  const column = Math.min(
    Math.max(...rows.map(({ name }) => name.length)),
    Math.max(10, width - widest - 2),
  );
  return rows.flatMap(({ name, rest }) =>
    name.length <= column
      ? [`${name.padEnd(column)}  ${rest}`]
      : [...wrap(name, width), `${" ".repeat(column)}  ${rest}`]
  );
}

/** The same for machines. */
export function describe(
  { file, format, sizeBytes, tensors, metadata, values, networks, contents }: Inspected,
  withTensors: boolean,
) {
  const entries = [...tensors.values()];
  return {
    file,
    format,
    sizeBytes,
    ...contents,
    tensorCount: entries.length,
    elements: entries.reduce((sum, { count }) => sum + count, 0),
    dtypes: dtypes(entries),
    metadata,
    values: Object.fromEntries(values),
    networks: Object.fromEntries(networks),
    ...(withTensors && {
      tensors: entries.map(({ name, dtype, shape, count }) => ({ name, dtype, shape, count })),
    }),
  };
}
