/** What the GPU is asked for, and what comes back. */
import type { AdaptOptions } from "../../models/nada/adapt.ts";
import type { PlanTarget } from "../../models/nada/cost.ts";
import type { ShortFigures } from "../../models/nada/eval/mod.ts";
import type { LogEntry } from "../../models/nada/run_folder.ts";
import type { Latents } from "../../models/generator/sampler.ts";
import type { CallContext } from "../calls.ts";

/** The methods of the GPU's worker. */
export interface GpuWork {
  /** Adapts into the run folder `folder`, or goes on with what is there. */
  adapt(args: AdaptWork, context: CallContext): Promise<AdaptDone>;
  /** Draws images; those that are asked for together are drawn together. */
  sample(args: SampleWork, context: CallContext): Promise<Drawn>;
  /** CLIP's features, of unit length. */
  embed(args: EmbedWork, context: CallContext): Promise<Embedded>;
  /** Forgets an adaptation that is to be deleted. */
  forget(args: { readonly delta: string }, context: CallContext): Promise<void>;
  /** Opens the device if it is not open yet, and says what there is. */
  status(args: null, context: CallContext): Promise<GpuStatus>;
  /** Loses the device, as a driver's reset does: for tests of what happens then. */
  lose(args: null, context: CallContext): Promise<void>;
}

export interface AdaptWork {
  readonly folder: string;
  readonly options: AdaptOptions;
}

/** What is told while a run goes on. */
export type AdaptEvent =
  | { readonly type: "start"; readonly done: number; readonly steps: number }
  | { readonly type: "step"; readonly entry: LogEntry }
  /** A grid, by its name below the run's folder. */
  | { readonly type: "preview"; readonly step: number; readonly file: string };

export interface AdaptDone {
  readonly status: "finished" | "plateau" | "interrupted";
  readonly stepsDone: number;
  readonly figures: readonly ShortFigures[];
  /** Of the delta. */
  readonly sha256: string;
}

export interface SampleWork {
  /** The base checkpoint. */
  readonly base: string;
  /** Of its images, where they are of classes. */
  readonly classIndex: number | null;
  /** What is adapted of it, and by how much: none for the base itself. */
  readonly adapted: readonly { readonly delta: string; readonly strength: number }[];
  readonly latents: Latents;
  /** Rows of the latents. */
  readonly count: number;
  readonly truncation: number;
  readonly noise: "const" | "none";
  readonly mix: { readonly latents: Latents; readonly crossover: number } | null;
}

export interface Drawn {
  /** `[count, 3, resolution, resolution]`, about [-1, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  readonly count: number;
  readonly resolution: number;
  /** `[count, wCount, wSize]`, after truncation and mixing. */
  readonly wPlus: Float32Array<ArrayBuffer>;
}

export interface EmbedWork {
  /** The file or folder of the CLIP model. */
  readonly clip: string;
  readonly texts: readonly string[];
  /** 8-bit RGB. */
  readonly images: readonly {
    readonly width: number;
    readonly height: number;
    readonly data: Uint8Array;
  }[];
}

export interface Embedded {
  readonly texts: readonly Float32Array[];
  readonly images: readonly Float32Array[];
}

export interface GpuStatus extends PlanTarget {
  readonly adapter: string;
  /** What the device holds. */
  readonly bytes: number;
  readonly buffers: number;
  /** What may be on it at a time; null where nobody knows. */
  readonly memoryBytes: number | null;
  readonly cache: CacheStatus;
  /** Models that wait on it for requests. */
  readonly loaded: readonly LoadedModel[];
  /** Devices lost since the start. */
  readonly lost: number;
}

export interface LoadedModel {
  readonly kind: "generator" | "clip";
  readonly path: string;
  /** Memory of its weights on the device. */
  readonly bytes: number;
  /** Adaptations of it that are kept as well. */
  readonly adaptations: number;
  /** Time since it was last used. */
  readonly idleMs: number;
}

export interface CacheStatus {
  readonly adaptations: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
}
