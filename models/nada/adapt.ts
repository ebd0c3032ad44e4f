/** A whole run: from options to a folder with the adapted generator. */
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { VERSION } from "../../lib/version.ts";
import { readInputs, type RunInputs } from "./inputs.ts";
import { ADAPT_DEFAULTS, type AdaptOptions, promptTexts } from "./options.ts";
import { prepare } from "./prepare.ts";
import { type AdaptEvents, type AdaptResult, train } from "./run.ts";
import { assertFree, RunFolder } from "./run_folder.ts";
import type { TrainingState } from "./training.ts";

export { readInputs, type RunInputs } from "./inputs.ts";
export { ADAPT_DEFAULTS, type AdaptOptions } from "./options.ts";
export type { AdaptEvents, AdaptResult } from "./run.ts";

interface Config {
  readonly nada: string;
  readonly created: string;
  readonly options: AdaptOptions;
  /** The texts, where the run has no more than these: what other commands judge it by. */
  readonly prompt: { readonly source: string; readonly target: string } | null;
  readonly files: RunInputs["files"];
  readonly adapter: { readonly name: string; readonly kind: string };
  readonly deno: string;
}

/**
 * Adapts a generator and writes the run's folder `out`, which must not exist. Where `signal` is
 * aborted before the first step, it throws the signal's reason and writes nothing.
 */
export async function adapt(
  gpu: Gpu,
  out: string,
  inputs: RunInputs,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  await assertFree(out);
  using models = await prepare(gpu, inputs, signal, events);
  const config: Config = {
    nada: VERSION,
    created: new Date().toISOString(),
    options: { ...inputs.options, precision: models.precision },
    prompt: promptTexts(inputs.options),
    files: inputs.files,
    adapter: { name: gpu.adapterName, kind: gpu.kind },
    deno: Deno.version.deno,
  };
  const folder = await RunFolder.create(out, config);
  return await train(gpu, { inputs, models, folder, config, log: [] }, events, signal);
}

/** An earlier run as it was left. */
export interface StoppedRun {
  readonly folder: RunFolder;
  readonly config: object;
  readonly inputs: RunInputs;
  readonly state: TrainingState;
}

/** Reads the run in `path`, to go on, if any are left, to `steps` steps or as many as it was meant to have. */
export async function readRun(path: string, steps: number | null): Promise<StoppedRun> {
  const { folder, config: found } = await RunFolder.open(path);
  const old = found as Config;
  // Options that came later than the run are as they were then: not asked for.
  const before = { ...ADAPT_DEFAULTS, precision: "f32" } as const;
  const options: AdaptOptions = {
    ...before,
    ...old.options,
    steps: steps ?? old.options.steps,
  };
  const inputs = await readInputs(options);
  for (const [name, { path: file, sha256 }] of Object.entries(inputs.files)) {
    if (old.files[name]?.sha256 === sha256) continue;
    throw new UserError(
      `Cannot resume "${path}": "${file}" is not the file that the run began with`,
    );
  }
  const state = await folder.readState(inputs.frozen, inputs.plan.layers, options.trainParams);
  return { folder, config: { ...old, options }, inputs, state };
}

/** Goes on with a run. Where `signal` is aborted before that, it is left as it was; see `adapt`. */
export async function resume(
  gpu: Gpu,
  { folder, config, inputs, state }: StoppedRun,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  using models = await prepare(gpu, inputs, signal, events);
  const log = await folder.rewindLog(state.step);
  models.training.restore(state);
  await folder.writeConfig(config);
  return await train(gpu, { inputs, models, folder, config, log }, events, signal);
}
