/** Generators to files that other programs read. */
import { join } from "node:path";
import {
  type TensorData,
  type TorchValue,
  writeSafetensors,
  writeTorch,
} from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import { VERSION } from "../../lib/version.ts";
import { kernelNames, UPSAMPLING_KERNEL } from "../stylegan2/architecture.ts";
import { limitMetadata } from "../stylegan2/settings.ts";
import { type Architecture, type GeneratorWeights, outlineGenerator } from "./families.ts";
import type { HostTensor, StoredTensor } from "./generator.ts";

/**
 * - "rosinality": a file of `torch.save`, as his code and StyleGAN-NADA's load it strictly.
 * - "safetensors": the same names in one safetensors file.
 * - "hf": a folder for the Hugging Face Hub: model.safetensors, config.json and a model card.
 */
export const EXPORT_FORMATS = ["rosinality", "safetensors", "hf"] as const;
export type ExportFormat = typeof EXPORT_FORMATS[number];

/** An adaptation that a generator went through. */
export interface AdaptationAbout {
  readonly adapted: string;
  readonly adaptedSha256: string;
  readonly strength: number;
  readonly source?: string;
  readonly target?: string;
}

/** Where a generator comes from. Files go by their names without folders. */
export interface ExportAbout extends Partial<AdaptationAbout> {
  readonly generator: string;
  readonly generatorSha256: string;
  /** The class of its images that it was narrowed down to. */
  readonly class?: number;
  /** Several adaptations, whose changes were added up; the texts beside it are those of all. */
  readonly added?: readonly AdaptationAbout[];
}

/** What is said of all that a generator went through. */
export function aboutAll(
  abouts: readonly AdaptationAbout[],
): Partial<AdaptationAbout> & Pick<ExportAbout, "added"> {
  return abouts.length > 1 ? { added: abouts, ...allTexts(abouts) } : abouts[0] ?? {};
}

/** The texts of several adaptations, as those of a run with several targets; none if one has none. */
function allTexts(abouts: readonly AdaptationAbout[]) {
  if (abouts.some(({ source, target }) => !source || !target)) return {};
  return {
    source: [...new Set(abouts.map(({ source }) => source))].join(" + "),
    target: abouts.map(({ target, strength }) => `${target} (${strength})`).join(" + "),
  };
}

/** Files that a folder of the format "hf" has. */
export const HF_FILES = {
  weights: "model.safetensors",
  config: "config.json",
  card: "README.md",
} as const;

/** Writes the generator to a file, or to a folder that is there. Throws a UserError. */
export async function exportGenerator(
  path: string,
  weights: GeneratorWeights,
  { format, about }: { format: ExportFormat; about: ExportAbout },
): Promise<void> {
  const { architecture } = weights;
  const tensors = await stateDict(weights);
  const latentAvg = weights.latentAvg && await toMemory(weights.latentAvg);
  if (format === "rosinality") {
    if (architecture.family !== "stylegan2") {
      throw new UserError(
        "Cannot write this generator in rosinality's layout: it is not a StyleGAN2; pass --format " +
          "safetensors or hf",
      );
    }
    const content = new Map<string, TorchValue>([["g_ema", tensors]]);
    if (latentAvg) content.set("latent_avg", latentAvg);
    return await writeTorch(path, content);
  }
  if (latentAvg) tensors.set(LAYOUTS[architecture.family].mean, latentAvg);
  const metadata = {
    format: "pt", // what loaders of Hugging Face's libraries look for
    "nada.version": VERSION,
    "nada.about": JSON.stringify(about),
    ...architecture.family === "stylegan2" && limitMetadata(architecture),
  };
  checkReadable(architecture, tensors, metadata);
  if (format === "safetensors") return await writeSafetensors(path, tensors, metadata);
  await writeSafetensors(join(path, HF_FILES.weights), tensors, metadata);
  const config = JSON.stringify(configOf(architecture, about), null, 2);
  await writeFileAtomic(join(path, HF_FILES.config), `${config}\n`);
  await writeFileAtomic(join(path, HF_FILES.card), modelCard(architecture, about));
}

/** Every tensor that a strict `load_state_dict` asks for, by its name in the family's own code. */
async function stateDict({ architecture: a, parameters, fixed }: GeneratorWeights) {
  const tensors = new Map<string, TensorData>();
  for (const [name, tensor] of parameters) tensors.set(name, await toMemory(tensor));
  for (const name of a.family === "stylegan2" ? kernelNames(a) : []) {
    tensors.set(name, { shape: [4, 4], data: UPSAMPLING_KERNEL });
  }
  for (const [name, tensor] of fixed) tensors.set(name, await toMemory(tensor));
  return tensors;
}

async function toMemory({ shape, read }: StoredTensor): Promise<HostTensor> {
  return { shape, data: await read() };
}

/** Names of the layout, and of the mean w in it. */
const LAYOUTS: Readonly<Record<Architecture["family"], { layout: string; mean: string }>> = {
  stylegan2: { layout: "rosinality/stylegan2-pytorch", mean: "latent_avg" },
  stylegan3: { layout: "NVlabs/stylegan3", mean: "mapping.w_avg" },
};

/** Throws a UserError where tensors alone would be read back as something else. */
function checkReadable(
  a: Architecture,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Record<string, string>,
): void {
  const source = {
    file: "the file to be written",
    metadata,
    tensors: new Map(
      tensors.entries().map(([name, { shape }]) => [
        name,
        { shape: [...shape], read: () => Promise.reject(new Error("no values are needed")) },
      ]),
    ),
  };
  if (JSON.stringify(outlineGenerator(source).architecture) === JSON.stringify(a)) return;
  throw new UserError(
    "Cannot export this generator: its settings differ from NVIDIA's own, and tensors alone do not " +
      "tell them",
  );
}

function configOf(a: Architecture, about: ExportAbout) {
  return {
    model_type: a.family,
    layout: LAYOUTS[a.family].layout,
    image_size: a.resolution,
    z_dim: a.zSize,
    w_dim: a.wSize,
    mapping_layers: a.mappingDepth,
    ...a.family === "stylegan2" && {
      channels: Object.fromEntries(a.channels.map((count, block) => [4 * 2 ** block, count])),
    },
    made_by: { nada: VERSION, ...about },
  };
}

const FAMILIES = { stylegan2: "StyleGAN2", stylegan3: "StyleGAN3" } as const;

/** What people see first on the Hub. The licence is left to them: it is that of the base. */
function modelCard(a: Architecture, about: ExportAbout): string {
  const { generator, generatorSha256, source, target, strength = 1 } = about;
  const size = `${a.resolution}x${a.resolution}`;
  const prompt = source && target ? `from "${source}" to "${target}"` : null;
  const title = prompt ? `${generator} ${prompt}` : generator;
  return [
    "---",
    `tags: [${a.family}, image-generation, stylegan-nada]`,
    "---",
    "",
    `# ${title}`,
    "",
    `A ${FAMILIES[a.family]} generator of ${size} images` +
    (about.adapted || about.added
      ? `, adapted${prompt ? ` ${prompt}` : ""} by text with nada, after StyleGAN-NADA (Gal et ` +
        `al., SIGGRAPH 2022)${strength === 1 ? "" : `, at strength ${strength}`}.`
      : "."),
    "",
    `It comes from \`${generator}\` (sha256 \`${generatorSha256}\`), whose licence holds for it as well.`,
    "",
    `\`${HF_FILES.weights}\` has the tensor names of ${
      LAYOUTS[a.family].layout
    }, with the mean of w ` +
    `as \`${LAYOUTS[a.family].mean}\`.`,
    "",
  ].join("\n");
}
