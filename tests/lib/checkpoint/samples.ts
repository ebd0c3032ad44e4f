/** Small good files of every form that nada reads, to be damaged. */
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { embedded, floatArray, persistent, tensorflow } from "./build_network.ts";
import { dict, pickle, tuple } from "./build_pickle.ts";
import { buildSafetensors } from "./build_safetensors.ts";
import { safetensorsParts } from "../../../lib/checkpoint/mod.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import { type Bytes, concat } from "./bytes.ts";

const six = Float32Array.of(1, 2, 3, 4, 5, 6);

const torch = {
  content: dict({
    w: tensor(storage("FloatStorage", "0", 6), { shape: [2, 3], strides: [1, 2] }),
    h: tensor(storage("HalfStorage", "1", 2), { shape: [2] }),
    lr: 0.002,
  }),
  storages: { 0: six, 1: Uint16Array.of(0x3c00, 0x4000) },
};

export const SAMPLES: Readonly<Record<string, Bytes>> = {
  "torch archive": buildTorch({ ...torch, zip: { zip64: true, padding: 3 } }),
  "deflated torch archive": buildTorch({ ...torch, deflate: true }),
  "safetensors file": buildSafetensors({
    __metadata__: { base: "abc" },
    a: { dtype: "F16", shape: [2, 2], data_offsets: [0, 8] },
    b: { dtype: "F32", shape: [3], data_offsets: [8, 20] },
  }, new Uint8Array(20).fill(60)),
  "safetensors file of nada's": concat(
    ...safetensorsParts([
      ["a", { shape: [2, 2], data: Float16Array.of(1, 2, 3, 4) }],
      ["b", { shape: [3], data: Float32Array.of(5, 6, 7) }],
    ], { base: "abc" }),
  ),
  "PyTorch file of before 1.6": buildLegacy({
    content: dict({
      w: tensor(legacyStorage("FloatStorage", "a", 6), { shape: [3, 2] }),
      d: tensor(legacyStorage("DoubleStorage", "b", 1), { shape: [] }),
    }),
    storages: { a: [6, six], b: [1, Float64Array.of(7)] },
  }),
  "pickle of NVIDIA's": pickle(dict({
    G_ema: persistent("A", {
      kwargs: { z_dim: 4 },
      parameters: { weight: embedded(six, { shape: [2, 3] }), bias: null },
    }),
    step: 3,
  })),
  "pickle of NVIDIA's for TensorFlow": pickle(
    tuple(1, 2, tensorflow("G_main", { "4x4/Conv/weight": floatArray([2, 3], six) })),
  ),
};

/** Those whose every byte that matters a checksum covers. */
export const CHECKED = [
  "torch archive",
  "deflated torch archive",
  "safetensors file of nada's",
];
