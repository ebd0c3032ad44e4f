/**
 * The folder of a run:
 *
 *     config.json           every option resolved, what it ran on, sha256 of every file it read;
 *                           and a checksum of all that
 *     log.jsonl             {"step":0,"loss":…,"layers":[…],"ms":…} a step; "parts" of the loss,
 *                           where there are several; "notes" where there is something to know
 *     samples/step_0050.png the same latents before and after
 *     samples/grid_0.png    sixteen latents before and after as in the paper, where asked for
 *     loss.png              the chart of the log
 *     adapted.safetensors   the delta: new values of every tensor that differs from the base
 *     resume.safetensors    trained weights and Adam's moments: what `--resume` goes on from
 *
 *     snapshots/            what had changed by a step, in half precision: see snapshots.ts
 *
 * Every file is replaced at once or not at all; the log is only appended to.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { openCheckpoint, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import type { GeneratorWeights } from "../generator/families.ts";
import type { HostTensor } from "../generator/generator.ts";
import type { LayerTime } from "./adam_clock.ts";
import { FIRST_LOSS_SCALE } from "./loss_scale.ts";
import type { LossPart } from "./losses/mod.ts";
import { trainedParameters, type TrainParams } from "./trained_layers.ts";
import type { TrainingState } from "./training.ts";

/** One line of the log. */
export interface LogEntry {
  readonly step: number;
  /** Before the step's update; null where it was not a finite number. */
  readonly loss: number | null;
  /** The parts of the loss, each before its weight, where there are several. */
  readonly parts?: Readonly<Partial<Record<LossPart, number>>>;
  /** The layers that it trained. */
  readonly layers: readonly string[];
  readonly ms: number;
  /** What the user should know: of the options in the first step after a start, later of the step. */
  readonly notes?: readonly string[];
}

/** A run whose folder does not hold what is needed to go on with it. */
export class DamagedRunError extends UserError {
  override name = "DamagedRunError";
}

export class RunFolder {
  private constructor(readonly path: string) {}

  /** Creates the folder; it must not exist yet. */
  static async create(path: string, config: object): Promise<RunFolder> {
    await assertFree(path);
    await Deno.mkdir(join(path, "samples"), { recursive: true });
    const folder = new RunFolder(path);
    await folder.writeConfig(config);
    await Deno.writeTextFile(folder.file("log.jsonl"), "");
    return folder;
  }

  /** Opens the folder of an earlier run. Throws a DamagedRunError if it is none. */
  static async open(path: string): Promise<{ folder: RunFolder; config: unknown }> {
    const folder = new RunFolder(path);
    let text: string;
    try {
      text = await Deno.readTextFile(folder.file("config.json"));
    } catch (error) {
      throw new DamagedRunError(
        `Cannot open the run "${path}": it has no config.json; name the folder of a run`,
        { cause: error },
      );
    }
    let config: { crc32?: string };
    try {
      config = JSON.parse(text);
    } catch (error) {
      throw new DamagedRunError(`Cannot open the run "${path}": its config.json is damaged`, {
        cause: error,
      });
    }
    const { crc32: checksum, ...rest } = config;
    if (checksum !== undefined && checksum !== checksumOf(rest)) {
      throw new DamagedRunError(
        `Cannot open the run "${path}": its config.json does not have the checksum in it, so it is ` +
          `damaged; if you changed it on purpose, remove the line "crc32"`,
      );
    }
    return { folder, config: rest };
  }

  async writeConfig(config: object): Promise<void> {
    const sealed = { ...config, crc32: checksumOf(config) };
    await writeFileAtomic(this.file("config.json"), `${JSON.stringify(sealed, null, 2)}\n`);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async append(entry: LogEntry): Promise<void> {
    await Deno.writeTextFile(this.file("log.jsonl"), `${JSON.stringify(entry)}\n`, {
      append: true,
    });
  }

  /** The log's entries up to `steps`; later ones, of steps that will be done again, are dropped. */
  async rewindLog(steps: number): Promise<LogEntry[]> {
    const lines = (await Deno.readTextFile(this.file("log.jsonl"))).split("\n").slice(0, steps);
    if (lines.length < steps || lines.some((line) => line === "")) {
      throw new DamagedRunError(
        `Cannot resume "${this.path}": its log has fewer than the ${steps} steps that were done`,
      );
    }
    const entries = lines.map((line) => {
      try {
        return JSON.parse(line) as LogEntry;
      } catch (error) {
        throw new DamagedRunError(`Cannot resume "${this.path}": its log.jsonl is damaged`, {
          cause: error,
        });
      }
    });
    await writeFileAtomic(this.file("log.jsonl"), lines.map((line) => `${line}\n`).join(""));
    return entries;
  }

  async writeState(
    { step, weights, moments, times, lossScale }: TrainingState,
    shapes: Shapes,
  ): Promise<void> {
    // A state is of no use without the log of the steps before it.
    using log = await Deno.open(this.file("log.jsonl"), { write: true });
    await log.sync();
    const tensors = [
      ...weights.entries().map(([name, data]) => [`weight/${name}`, name, data] as const),
      ...moments.entries().map(([name, data]) => [`moment/${name}`, name, data] as const),
    ];
    await writeSafetensors(
      this.file("resume.safetensors"),
      tensors.map(([stored, name, data]) => [stored, { shape: shapes.get(name)!.shape, data }]),
      {
        "nada.format": "resume",
        "nada.step": String(step),
        "nada.times": JSON.stringify(Object.fromEntries(times)),
        "nada.loss_scale": String(lossScale),
      },
    );
  }

  /**
   * Reads the state of what is trained back. Throws a DamagedRunError or CheckpointError where it does
   * not fit.
   */
  async readState(
    { architecture, parameters }: GeneratorWeights,
    layers: readonly string[],
    trainParams: TrainParams,
  ): Promise<TrainingState> {
    const refuse = (what: string): never => {
      throw new DamagedRunError(
        `Cannot resume "${this.path}": resume.safetensors has no ${what}; it belongs to another run`,
      );
    };
    using checkpoint = await openCheckpoint(this.file("resume.safetensors"));
    const step = Number(checkpoint.metadata["nada.step"]);
    const times = new Map(Object.entries(readTimes(checkpoint.metadata["nada.times"])));
    const missing = layers.find((layer) => !times.has(layer));
    if (missing !== undefined || !Number.isInteger(step)) refuse(`times of "${missing}"`);
    const names = [...trainedParameters(architecture, layers, trainParams).keys()];
    const read = async (kind: string) => {
      const values = new Map<string, Float32Array<ArrayBuffer>>();
      for (const name of names) {
        const tensor = checkpoint.tensors.get(`${kind}/${name}`);
        const { shape } = parameters.get(name)!;
        if (tensor?.shape.join() !== shape.join()) refuse(`"${kind}/${name}" of shape [${shape}]`);
        values.set(name, await tensor!.read() as Float32Array<ArrayBuffer>);
      }
      return values;
    };
    // Runs of before there was f16 have none, nor a use for it.
    const lossScale = Number(checkpoint.metadata["nada.loss_scale"] ?? FIRST_LOSS_SCALE);
    if (!(lossScale > 0 && lossScale < Infinity)) refuse("loss scale");
    return {
      step,
      weights: await read("weight"),
      moments: await read("moment"),
      times,
      lossScale,
    };
  }
}

/** In hexadecimal digits. */
function checksumOf(config: object): string {
  return crc32(JSON.stringify(config)).toString(16).padStart(8, "0");
}

function readTimes(text = "{}"): Record<string, LayerTime> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

type Shapes = ReadonlyMap<string, Pick<HostTensor, "shape">>;

/** Throws a UserError if something is there already. */
export async function assertFree(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new UserError(`Cannot write to "${path}": ${(error as Error).message}`, { cause: error });
  }
  throw new UserError(
    `Cannot write to "${path}": it exists; name a new folder with --out, or go on with that run ` +
      `with --resume "${path}"`,
  );
}
