/** A whole run: from options to a folder with the adapted generator. */
import { basename } from "node:path";
import { openCheckpoint, sha256File } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { encodePng, imageGrid, imagesFromTensor, lossChart } from "../../lib/image/mod.ts";
import { VERSION } from "../../lib/version.ts";
import { Clip } from "../clip/clip.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import { fillTemplates, parseTemplates, TEMPLATES } from "../clip/templates.ts";
import { fittingBatch } from "../stylegan2/batch.ts";
import { type DeviceGenerator, readParameters } from "../stylegan2/device.ts";
import { latentsFromSeeds } from "../stylegan2/latents.ts";
import { fixedNoiseValues, type NoiseMode } from "../stylegan2/noise.ts";
import { NotFiniteError, Sampler } from "../stylegan2/sampler.ts";
import type { GeneratorWeights, HostTensor } from "../stylegan2/weights.ts";
import { writeDelta } from "./delta.ts";
import { loadGenerator } from "./generator_file.ts";
import { pictureText } from "./picture_text.ts";
import { LatentStream, noiseKeys } from "./random_latents.ts";
import { assertFree, type LogEntry, RunFolder } from "./run_folder.ts";
import { textDirection } from "./text_direction.ts";
import { Training } from "./training.ts";

/** Every option of a run, resolved. Files are absolute paths, so that a run can be resumed from anywhere. */
export interface AdaptOptions {
  readonly generator: string;
  readonly trainGenerator: string | null;
  readonly clip: string;
  readonly source: string;
  readonly target: string;
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  readonly sampleEvery: number;
  readonly noise: NoiseMode;
  readonly z: string | null;
  readonly templates: string | null;
  readonly clipResize: ResizeVariant;
}

/** What a run tells while it goes on. */
export interface AdaptEvents {
  onStart?(info: { folder: string; steps: number; done: number; layers: readonly string[] }): void;
  onStep?(entry: LogEntry): void;
  onSamples?(file: string): void;
}

export interface AdaptResult {
  readonly folder: string;
  /** "interrupted" and "diverged" leave the last good state behind. */
  readonly status: "finished" | "interrupted" | "diverged";
  readonly stepsDone: number;
  readonly lastGrid: string;
}

interface Config {
  readonly nada: string;
  readonly created: string;
  readonly options: AdaptOptions;
  readonly files: Readonly<Record<string, { path: string; sha256: string; sizeBytes: number }>>;
  readonly adapter: { readonly name: string; readonly kind: string };
  readonly deno: string;
}

/** Seeds of the pictures that show how far a run is, and their truncation. */
const SAMPLE_SEEDS = [0, 1, 2, 3, 4, 5, 6, 7];
const SAMPLE_TRUNCATION = 0.7;

/** Adapts a generator and writes the run's folder `out`, which must not exist. */
export async function adapt(
  gpu: Gpu,
  out: string,
  options: AdaptOptions,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  await assertFree(out);
  using run = await prepare(gpu, options);
  const config: Config = {
    nada: VERSION,
    created: new Date().toISOString(),
    options,
    files: await describeFiles(options, run.clipFile),
    adapter: { name: gpu.adapterName, kind: gpu.kind },
    deno: Deno.version.deno,
  };
  const folder = await RunFolder.create(out, config);
  return await train(gpu, { folder, config, run, log: [] }, events, signal);
}

/** Goes on with the run in `path`, to `steps` steps or as many as it was meant to have. */
export async function resume(
  gpu: Gpu,
  path: string,
  steps: number | null,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  const { folder, config: found } = await RunFolder.open(path);
  const old = found as Config;
  const options = { ...old.options, steps: steps ?? old.options.steps };
  using run = await prepare(gpu, options);
  const files = await describeFiles(options, run.clipFile);
  for (const [name, { path: file, sha256 }] of Object.entries(files)) {
    if (old.files[name]?.sha256 === sha256) continue;
    throw new UserError(
      `Cannot resume "${path}": "${file}" is not the file that the run began with`,
    );
  }
  const state = await folder.readState(run.training.trainedNames, run.frozen.parameters);
  if (state.step >= options.steps) {
    throw new UserError(
      `Cannot resume "${path}": its ${state.step} steps are done; pass --steps with a larger number ` +
        `to go on`,
    );
  }
  const log = await folder.rewindLog(state.step);
  run.training.restore(state);
  const config = { ...old, options };
  await writeFileAtomic(folder.file("config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return await train(gpu, { folder, config, run, log }, events, signal);
}

/** The models of a run, on the device. */
interface Prepared extends Disposable {
  readonly frozen: GeneratorWeights;
  /** Start of the trained generator. */
  readonly trained: GeneratorWeights;
  readonly training: Training;
  /** The pictures of the frozen generator. */
  readonly before: Float32Array;
  /** Latents for every step, `[steps, batch, zSize]`, where they were given. */
  readonly z: Float32Array<ArrayBuffer> | null;
  /** The file that holds CLIP's weights. */
  readonly clipFile: string;
}

/** Reads and checks everything, and compiles the step; nothing is written. */
async function prepare(gpu: Gpu, options: AdaptOptions): Promise<Prepared> {
  const { source, target, clipResize } = options;
  if (source.trim().toLowerCase() === target.trim().toLowerCase()) {
    throw new UserError(
      `Cannot adapt from "${source}" to "${target}": source and target are the same text; there ` +
        `is no direction between them`,
    );
  }
  const templates = options.templates
    ? parseTemplates(await Deno.readTextFile(options.templates), options.templates)
    : TEMPLATES;
  const { weights: frozen } = await loadGenerator(options.generator);
  const { weights: trained } = await loadGenerator(options.trainGenerator ?? options.generator);
  checkSameArchitecture(options, frozen, trained);
  const z = options.z ? await readLatents(options.z, options, frozen.architecture.zSize) : null;
  const clip = await Clip.open(gpu, options.clip);
  try {
    const texts = await clip.encodeTexts([
      ...fillTemplates(source, templates),
      ...fillTemplates(target, templates),
    ]);
    const direction = textDirection(
      texts.slice(0, templates.length),
      texts.slice(templates.length),
    );
    if (!direction.every(Number.isFinite)) {
      throw new UserError(
        `Cannot adapt from "${source}" to "${target}": CLIP gives both texts the same features`,
      );
    }
    const models = { frozen, trained, clip, textDirection: direction };
    const training = await Training.create(gpu, models, { ...options, clipResize });
    return {
      frozen,
      trained,
      training,
      before: await sampleImages(gpu, training.frozen),
      z,
      clipFile: clip.file,
      [Symbol.dispose]() {
        training.dispose();
        clip.dispose();
      },
    };
  } catch (error) {
    clip.dispose();
    throw error;
  }
}

interface Run {
  readonly folder: RunFolder;
  readonly config: Config;
  readonly run: Prepared;
  /** What was logged before. */
  readonly log: LogEntry[];
}

async function train(
  gpu: Gpu,
  { folder, config, run, log }: Run,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  const { training, frozen } = run;
  const { options } = config;
  const { zSize } = frozen.architecture;
  const count = options.batch * zSize;
  const stream = run.z ? null : new LatentStream(options.seed, count, training.step);
  events.onStart?.({
    folder: folder.path,
    steps: options.steps,
    done: training.step,
    layers: training.layers,
  });

  let lastGrid = "";
  let savedStep = training.step;
  /** Writes all that a run leaves behind; false if the state is no good, and then nothing. */
  const save = async (): Promise<boolean> => {
    const after = await sampleImages(gpu, training.generator).catch((error) => {
      if (error instanceof NotFiniteError) return null;
      throw error;
    });
    if (after === null) return false;
    const state = await training.read();
    lastGrid = await writeGrid(folder, config, state.step, run.before, after);
    events.onSamples?.(lastGrid);
    await folder.writeState(state, frozen.parameters);
    await writeAdapted(folder, config, run);
    await writeChart(folder, config, log);
    savedStep = state.step;
    return true;
  };

  await save();
  let diverged = false;
  while (training.step < options.steps && !signal.aborted && !diverged) {
    const step = training.step;
    const z = stream ? stream.next() : run.z!.subarray(step * count, (step + 1) * count);
    const started = performance.now();
    const loss = await training.run({ z, noiseKeys: noiseKeys(options.seed, step) });
    diverged = !Number.isFinite(loss);
    const ms = Math.round(10 * (performance.now() - started)) / 10;
    const entry = { step, loss: diverged ? null : loss, layers: training.layers, ms };
    if (!diverged) {
      log.push(entry);
      await folder.append(entry);
    }
    events.onStep?.(entry);
    const due = options.sampleEvery > 0 && training.step % options.sampleEvery === 0;
    if (due && !diverged && training.step < options.steps) diverged = !await save();
  }
  diverged = !await save() || diverged;
  const finished = training.step >= options.steps;
  return {
    folder: folder.path,
    status: diverged ? "diverged" : finished ? "finished" : "interrupted",
    stepsDone: savedStep,
    lastGrid,
  };
}

/** Images `[8, 3, r, r]` of the seeds that every run shows. */
async function sampleImages(gpu: Gpu, generator: DeviceGenerator): Promise<Float32Array> {
  const { architecture } = generator;
  const batch = fittingBatch(architecture, gpu.limits.bindingBytes);
  const sampler = await Sampler.create(gpu, generator, { batch });
  try {
    const z = latentsFromSeeds(SAMPLE_SEEDS, architecture.zSize);
    return (await sampler.sample({ z }, { psi: SAMPLE_TRUNCATION })).images;
  } finally {
    sampler.dispose();
  }
}

async function writeGrid(
  folder: RunFolder,
  { options, files }: Config,
  step: number,
  before: Float32Array,
  after: Float32Array,
): Promise<string> {
  const side = Math.sqrt(before.length / (3 * SAMPLE_SEEDS.length));
  const rows = [before, after].map((images) =>
    imagesFromTensor(images, [SAMPLE_SEEDS.length, 3, side, side]).map((image) => ({ image }))
  );
  const grid = await imageGrid(rows, {
    title: `${options.source} → ${options.target}`,
    subtitle: `step ${step} of ${options.steps}, truncation ${SAMPLE_TRUNCATION}`,
    rows: ["before", "after"],
    columns: SAMPLE_SEEDS.map((seed) => `seed ${seed}`),
  });
  const file = folder.file(`samples/step_${String(step).padStart(4, "0")}.png`);
  const text = pictureText({
    seeds: SAMPLE_SEEDS,
    truncation: SAMPLE_TRUNCATION,
    generator: basename(options.generator),
    generatorSha256: files.generator!.sha256,
    step,
    source: options.source,
    target: options.target,
  });
  await writeFileAtomic(file, encodePng(grid, text));
  return file;
}

async function writeChart(folder: RunFolder, { options }: Config, log: readonly LogEntry[]) {
  const chart = await lossChart({
    title: `${options.source} → ${options.target}`,
    series: [{ label: "directional loss", values: log.map(({ loss }) => loss ?? NaN) }],
  });
  await writeFileAtomic(folder.file("loss.png"), encodePng(chart));
}

/** Writes the tensors of the trained generator that differ from the base's. */
async function writeAdapted(
  folder: RunFolder,
  config: Config,
  { frozen, trained, training }: Prepared,
): Promise<void> {
  const before = storedTensors(frozen);
  const after = storedTensors({ ...trained, parameters: await readParameters(training.generator) });
  const changed = new Map(
    after.entries().filter(([name, { data }]) => {
      const old = before.get(name)?.data;
      return old !== undefined && data.some((value, i) => value !== old[i]);
    }),
  );
  const { sha256 } = config.files.generator!;
  await writeDelta(folder.file("adapted.safetensors"), changed, {
    base: { file: basename(config.options.generator), sha256 },
    config,
  });
}

/** Parameters, noise, and the mean w where there is one. */
function storedTensors(weights: GeneratorWeights): Map<string, HostTensor> {
  const tensors = new Map([...weights.parameters, ...fixedNoiseValues(weights)]);
  if (weights.latentAvg) tensors.set("latent_avg", weights.latentAvg);
  return tensors;
}

function checkSameArchitecture(
  options: AdaptOptions,
  { architecture: a }: GeneratorWeights,
  { architecture: b }: GeneratorWeights,
): void {
  if (JSON.stringify(a) === JSON.stringify(b)) return;
  const about = ({ resolution, channels, zSize }: typeof a) =>
    `${resolution}x${resolution}, z ${zSize}, channels ${channels.join(" ")}`;
  throw new UserError(
    `Cannot train "${options.trainGenerator}" against "${options.generator}": they differ in ` +
      `architecture (${about(b)} and ${about(a)}); both must be of one kind`,
  );
}

/** Latents `[steps, batch, zSize]` from a safetensors file that holds `z`. */
async function readLatents(
  path: string,
  { steps, batch }: AdaptOptions,
  zSize: number,
): Promise<Float32Array<ArrayBuffer>> {
  using checkpoint = await openCheckpoint(path);
  const z = checkpoint.tensors.get("z");
  const found = z ? `"z" has shape [${z.shape}]` : `it holds no tensor "z"`;
  if (!z || z.shape.length !== 3 || z.shape[1] !== batch || z.shape[2] !== zSize) {
    throw new UserError(
      `Cannot take latents from "${path}": ${found}, [steps, ${batch}, ${zSize}] is needed; ` +
        `--batch has to agree with it`,
    );
  }
  if (z.shape[0]! < steps) {
    throw new UserError(
      `Cannot take latents from "${path}": it has ${z.shape[0]} steps; pass --steps ${z.shape[0]}`,
    );
  }
  return await z.read() as Float32Array<ArrayBuffer>;
}

/** Path, size and hash of every file that a run reads; `clip` is the file that holds the weights. */
async function describeFiles(options: AdaptOptions, clip: string): Promise<Config["files"]> {
  const { generator, trainGenerator, z, templates } = options;
  const named = Object.entries({ generator, trainGenerator, clip, z, templates });
  const files: Record<string, Config["files"][string]> = {};
  for (const [name, path] of named) {
    if (path === null) continue;
    const sha256 = await sha256File(path);
    files[name] = { path, sha256, sizeBytes: (await Deno.stat(path)).size };
  }
  return files;
}
