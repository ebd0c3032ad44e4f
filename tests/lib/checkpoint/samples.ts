/** Small good files of every form that nada reads, to be damaged. */
import { buildLegacy, legacyStorage, savedStorage } from "./build_legacy.ts";
import {
  bytes,
  call,
  dict,
  instance,
  op,
  type Picklable,
  pickle,
  save,
  tuple,
} from "./build_pickle.ts";
import { buildSafetensors } from "./build_safetensors.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import { type Bytes, bytesOf, concat } from "./bytes.ts";

const six = Float32Array.of(1, 2, 3, 4, 5, 6);

/** A persistent object of NVIDIA's with one tensor, and `more` in its state. */
export function network(more: Record<string, Picklable> = {}): Bytes {
  const load = call(
    "torch.storage",
    "_load_from_bytes",
    bytes(savedStorage("FloatStorage", 6, six)),
  );
  const state = dict({
    _parameters: dict({ weight: tensor(load, { shape: [2, 3] }), bias: null }),
    _buffers: dict({}),
    _modules: dict({}),
    _init_kwargs: dict({ z_dim: 4 }),
    ...more,
  });
  const about = dict({ type: "class", version: 6, module_src: "x = 1", class_name: "A", state });
  return call("torch_utils.persistence", "_reconstruct_persistent_obj", about);
}

/** `numpy.dtype(code)` as arrays have it in their pickles. */
export function dtype(code: string, order = "<"): Bytes {
  const state = tuple(3, order, null, null, null, -1, -1, 0);
  return concat(call("numpy", "dtype", code, false, true), save(state), op(0x62));
}

export function array(shape: number[], elements: Bytes, type = dtype("f4")): Bytes {
  const empty = call("numpy.core.multiarray", "_reconstruct", "ndarray", tuple(0), bytes(op(0x62)));
  return concat(empty, tuple(1, tuple(...shape), type, false, elements), op(0x62));
}

/** A network of NVIDIA's code for TensorFlow with one variable. */
function tensorflow(): Bytes {
  const variable = tuple("4x4/Conv/weight", array([2, 3], bytes(bytesOf(six))));
  const state = dict({ version: 4, build_func_name: "G_main", variables: [variable] });
  return instance("dnnlib.tflib.network", "Network", state);
}

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
  "PyTorch file of before 1.6": buildLegacy({
    content: dict({
      w: tensor(legacyStorage("FloatStorage", "a", 6), { shape: [3, 2] }),
      d: tensor(legacyStorage("DoubleStorage", "b", 1), { shape: [] }),
    }),
    storages: { a: [6, six], b: [1, Float64Array.of(7)] },
  }),
  "pickle of NVIDIA's": pickle(dict({ G_ema: network(), step: 3 })),
  "pickle of NVIDIA's for TensorFlow": pickle(tuple(1, 2, tensorflow())),
};

/** Those whose every byte that matters a checksum covers. */
export const CHECKED = ["torch archive", "deflated torch archive"];
