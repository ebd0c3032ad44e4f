/** The models that clients may name: registered by the operator, looked into at the start. */
import { openCheckpoint, sha256File } from "../lib/checkpoint/mod.ts";
import { builtInModels } from "../models/catalog.ts";
import {
  type Architecture as ClipArchitecture,
  findWeights,
  openClipFile,
} from "../models/clip/mod.ts";
import { fillTemplates } from "../models/clip/templates.ts";
import { tokenize } from "../models/clip/tokenizer.ts";
import { type Architecture, outlineGenerator } from "../models/generator/mod.ts";
import { ServiceError } from "./failure.ts";

export interface BaseModel {
  readonly name: string;
  /** File, or folder as Hugging Face has it. */
  readonly path: string;
  /** The file with the weights. */
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly architecture: Architecture;
  /** Kinds of images that it can be asked for; 0 where there are none to choose from. */
  readonly classes: number;
}

export interface ClipModel {
  readonly name: string;
  /** File or folder. */
  readonly path: string;
  readonly architecture: ClipArchitecture;
  readonly templates: readonly string[];
}

/** Paths by name. */
export interface ModelPaths {
  readonly generators: Readonly<Record<string, string>>;
  readonly clips: Readonly<Record<string, string>>;
}

export class Models {
  private constructor(
    readonly generators: ReadonlyMap<string, BaseModel>,
    readonly clips: ReadonlyMap<string, ClipModel>,
  ) {}

  /** Looks into every file. Throws a UserError for one that is no such model. */
  static async open(given: ModelPaths): Promise<Models> {
    const builtIn = builtInModels();
    const generators = new Map<string, BaseModel>();
    for (const [name, path] of Object.entries({ ...builtIn.generators, ...given.generators })) {
      generators.set(name, await openBase(name, path));
    }
    const clips = new Map<string, ClipModel>();
    for (const [name, path] of Object.entries({ ...builtIn.clips, ...given.clips })) {
      using file = await openClipFile(path);
      const { architecture, templates } = file;
      clips.set(name, { name, path, architecture, templates });
    }
    return new Models(generators, clips);
  }

  /** Throws a ServiceError for a name that is not registered. */
  generator(name: string): BaseModel {
    return this.generators.get(name) ?? unknown("generator", name, this.generators);
  }

  clip(name: string): ClipModel {
    return this.clips.get(name) ?? unknown("CLIP model", name, this.clips);
  }
}

async function openBase(name: string, path: string): Promise<BaseModel> {
  const file = await findWeights(path) ?? path;
  using checkpoint = await openCheckpoint(file);
  const { architecture, classes } = outlineGenerator(checkpoint);
  const { sizeBytes } = checkpoint;
  const sha256 = await sha256File(file);
  return { name, path, file, sha256, sizeBytes, architecture, classes };
}

/** The class that is asked for, null where there are none. Throws a ServiceError for any other. */
export function classOf({ name, classes }: BaseModel, asked: number | undefined): number | null {
  const refuse = (reason: string): never => {
    throw new ServiceError("invalid_request", `Cannot use the generator "${name}": ${reason}`);
  };
  if (classes === 0) {
    return asked === undefined ? null : refuse("its images are of no classes; leave class out");
  }
  if (asked !== undefined && asked < classes) return asked;
  return refuse(
    `its images are of ${classes} classes` +
      (asked === undefined ? "" : `, and none has the number ${asked}`) +
      `; give class, from 0 to ${classes - 1}`,
  );
}

/** Throws a UserError for a text that the model cannot read in its templates. */
export function checkText({ architecture, templates }: ClipModel, text: string): void {
  for (const filled of fillTemplates(text, templates)) tokenize(filled, architecture.text);
}

function unknown(kind: string, name: string, known: ReadonlyMap<string, unknown>): never {
  const names = [...known.keys()].join(", ") || "none";
  throw new ServiceError(
    "invalid_request",
    `Cannot use the ${kind} "${name}": there is none of that name; registered: ${names}`,
  );
}
