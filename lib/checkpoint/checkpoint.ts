import type { Dtype } from "./elements.ts";
import type { ModuleAbout, Scalar } from "./flatten.ts";

/** A tensor of a checkpoint; nothing but its description is in memory before `read()`. */
export interface TensorEntry {
  name: string;
  /** The element type in the file. */
  dtype: Dtype;
  shape: number[];
  /** Number of elements. */
  count: number;
  /** What the elements take in the file's type. */
  sizeBytes: number;
  /**
   * All elements in row-major order, converted to float32. Throws a CheckpointError where the file
   * has changed or its data is broken.
   */
  read(): Promise<Float32Array<ArrayBuffer>>;
  /** The same in pieces, in order and each of a few MiB, for tables of which few rows are wanted. */
  pieces(): AsyncIterable<Float32Array<ArrayBuffer>>;
}

/** What a reader finds in a file. */
export interface Contents {
  format: "safetensors" | "torch zip" | "torchscript" | "torch legacy" | "pickle";
  /** By name; nested containers give names joined by ".", as in "g_ema.conv1.conv.weight". */
  tensors: Map<string, TensorEntry>;
  /** The text that safetensors files carry beside their tensors. */
  metadata: Record<string, string>;
  /** Values that are no tensors, by name, such as a step count or a training option. */
  values: Map<string, Scalar>;
  /**
   * What pickled networks and their layers were made by, by the path that the names of their tensors
   * begin with, such as "G_ema.synthesis.b8.conv0". Other formats hold none.
   */
  modules: Map<string, ModuleAbout>;
}

/** An open file of named tensors. */
export interface Checkpoint extends Contents, Disposable {
  file: string;
  sizeBytes: number;
  /** The SHA-256 of the file in hexadecimal; it is read for that at the first call. */
  sha256(): Promise<string>;
  /**
   * Gives the file back. A `read()` after that opens it for its own time, and throws a
   * CheckpointError where it has changed.
   */
  close(): void;
}
