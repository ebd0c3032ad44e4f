/** What a run reads before it touches the device: generators, latents, templates; all checked. */
import { openCheckpoint, sha256File } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import type { RgbImage } from "../../lib/image/mod.ts";
import { findWeights, parseTemplates } from "../clip/mod.ts";
import { type Architecture, generatorOf, type GeneratorWeights } from "../generator/families.ts";
import { checkClips } from "./clip_files.ts";
import { applyDelta, readDelta } from "./delta.ts";
import { isDelta, loadGenerator } from "./generator_file.ts";
import { choosesAll } from "./layer_selection.ts";
import { PART_TEMPLATES } from "./losses/mod.ts";
import { type AdaptOptions, type AutoLayers, checkOptions } from "./options.ts";
import type { GivenLatents } from "./step_inputs.ts";
import { storedTensors } from "./stored_tensors.ts";
import { readStyleImages } from "./style_images.ts";
import { checkStyled, layersWith, namedLayers, phaseLayers } from "./trained_layers.ts";

/** A file that a run read. */
export interface FileAbout {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface LayerPlan {
  /** Layers that can be trained, by the reference's names. */
  readonly layers: readonly string[];
  /** How those of a step are chosen; null where all of them are trained in every step. */
  readonly auto: AutoLayers | null;
  /** What the user should know of it. */
  readonly note: string | null;
}

export interface RunInputs {
  readonly options: AdaptOptions;
  readonly frozen: GeneratorWeights;
  /** Start of the trained generator; of the same architecture. */
  readonly trained: GeneratorWeights;
  readonly plan: LayerPlan;
  /** Pictures to move towards; none where texts alone say it. */
  readonly pictures: readonly RgbImage[];
  /** Latents for every step, where they were given. */
  readonly latents: GivenLatents | null;
  /** Null for each CLIP's own. */
  readonly templates: readonly string[] | null;
  readonly partTemplates: readonly string[];
  /** By what they are for: "generator", "clip", "clip 2", "style image", …. */
  readonly files: Readonly<Record<string, FileAbout>>;
  /** What the user should know of all this, a line each. */
  readonly notes: readonly string[];
}

/** Reads everything. Throws a UserError for options and files that are no good. */
export async function readInputs(options: AdaptOptions): Promise<RunInputs> {
  checkOptions(options);
  const templates = await readTemplates(options.templates);
  const partTemplates = await readTemplates(options.partTemplates) ?? PART_TEMPLATES;
  const clipNotes = await checkClips(options, { templates, partTemplates });
  const base = await loadGenerator(options.generator, options.classIndex);
  const frozen = base.weights;
  const { resolution } = frozen.architecture;
  if (options.size !== null && options.size !== resolution) {
    throw new UserError(
      `Cannot take "${options.generator}" for ${options.size}x${options.size}: its images are ` +
        `${resolution}x${resolution}; leave --size out`,
    );
  }
  const plan = layerPlan(frozen.architecture, options);
  const latents = options.z
    ? await readLatents(options.z, options, plan.auto, frozen.architecture.zSize)
    : null;
  const { trainGenerator } = options;
  let trained = frozen;
  if (trainGenerator && await isDelta(trainGenerator)) {
    trained = applyDelta(frozen, base, await readDelta(trainGenerator));
  } else if (trainGenerator) {
    trained = (await loadGenerator(trainGenerator, options.classIndex)).weights;
    checkSameArchitecture(options, frozen, trained);
  }
  await checkValues(frozen);
  if (trained !== frozen) await checkValues(trained);
  const { styleImages, skipBadImages } = options;
  const style = styleImages === null ? null : await readStyleImages(styleImages, skipBadImages);
  const files = await describeFiles(options, style?.paths ?? []);
  return {
    options,
    frozen,
    trained,
    plan,
    latents,
    pictures: style?.pictures ?? [],
    templates,
    partTemplates,
    files,
    notes: [...clipNotes, ...plan.note === null ? [] : [plan.note], ...style?.skipped ?? []],
  };
}

async function readTemplates(path: string | null): Promise<string[] | null> {
  return path === null ? null : parseTemplates(await Deno.readTextFile(path), path);
}

/** Which layers are trained. Throws a UserError for layers that the generator does not have. */
export function layerPlan(
  a: Architecture,
  { autoLayers, phase, trainLayers, trainParams }: AdaptOptions,
): LayerPlan {
  if (autoLayers) {
    const layers = generatorOf(a).selectableLayers;
    if (!choosesAll(a, autoLayers.count)) return { layers, auto: autoLayers, note: null };
    const note = `All ${layers.length} layers are chosen in every step: their choice is skipped`;
    return { layers, auto: null, note };
  }
  const layers = phase
    ? phaseLayers(a, phase)
    : trainLayers
    ? namedLayers(a, trainLayers)
    : generatorOf(a).defaultLayers;
  if (trainLayers) checkStyled(a, layers, trainParams);
  return { layers: layersWith(a, layers, trainParams), auto: null, note: null };
}

/** Reads all values once, so that a broken file is found before there is a device. */
async function checkValues(weights: GeneratorWeights): Promise<void> {
  for (const { read } of storedTensors(weights).values()) await read();
}

function checkSameArchitecture(
  options: AdaptOptions,
  { architecture: a }: GeneratorWeights,
  { architecture: b }: GeneratorWeights,
): void {
  if (JSON.stringify(a) === JSON.stringify(b)) return;
  const about = (architecture: Architecture) => {
    const { title, channels } = generatorOf(architecture);
    const { resolution, zSize } = architecture;
    return `${title}, ${resolution}x${resolution}, z ${zSize}, channels ${channels.join(" ")}`;
  };
  throw new UserError(
    `Cannot train "${options.trainGenerator}" against "${options.generator}": they differ in ` +
      `architecture (${about(b)} and ${about(a)}); both must be of one kind`,
  );
}

/** Latents from a safetensors file that holds `z`, and perhaps `z_layer_selection`. */
async function readLatents(
  path: string,
  { steps, batch }: AdaptOptions,
  auto: AutoLayers | null,
  zSize: number,
): Promise<GivenLatents> {
  using checkpoint = await openCheckpoint(path);
  const read = async (name: string, count: number, option: string) => {
    const tensor = checkpoint.tensors.get(name);
    const found = tensor ? `"${name}" has shape [${tensor.shape}]` : `it holds no tensor "${name}"`;
    const [, rows, size, ...more] = tensor?.shape ?? [];
    if (!tensor || rows !== count || size !== zSize || more.length > 0) {
      throw new UserError(
        `Cannot take latents from "${path}": ${found}, [steps, ${count}, ${zSize}] is needed; ` +
          `${option} has to agree with it`,
      );
    }
    if (tensor.shape[0]! < steps) {
      throw new UserError(
        `Cannot take latents from "${path}": "${name}" has ${tensor.shape[0]} steps; pass ` +
          `--steps ${tensor.shape[0]}`,
      );
    }
    return await tensor.read() as Float32Array<ArrayBuffer>;
  };
  const given = auto !== null && checkpoint.tensors.has("z_layer_selection");
  return {
    z: await read("z", batch, "--batch"),
    zSelection: given ? await read("z_layer_selection", auto.batch, "--auto-layer-batch") : null,
  };
}

const numbered = (name: string, i: number) => i === 0 ? name : `${name} ${i + 1}`;

/** Path, size and hash of every file that a run reads. */
async function describeFiles(
  options: AdaptOptions,
  style: readonly string[],
): Promise<RunInputs["files"]> {
  const { generator, trainGenerator, clips, textureClip, z, templates, partTemplates } = options;
  const named: Record<string, string | null> = {
    generator: await findWeights(generator),
    trainGenerator: trainGenerator && await findWeights(trainGenerator),
  };
  const used = clips.filter(({ weight }) => weight !== 0);
  for (const [i, { path }] of used.entries()) {
    named[numbered("clip", i)] = await findWeights(path);
  }
  named.textureClip = textureClip && await findWeights(textureClip);
  style.forEach((path, i) => named[numbered("style image", i)] = path);
  Object.assign(named, { z, templates, partTemplates });

  const files: Record<string, FileAbout> = {};
  for (const [name, path] of Object.entries(named)) {
    if (path === null) continue;
    const sha256 = await sha256File(path);
    files[name] = { path, sha256, sizeBytes: (await Deno.stat(path)).size };
  }
  return files;
}
