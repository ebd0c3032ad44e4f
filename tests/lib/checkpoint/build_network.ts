/** Networks and arrays in the form of NVIDIA's pickles. */
import { savedStorage } from "./build_legacy.ts";
import {
  bytes,
  call,
  dict,
  instance,
  named,
  op,
  type Picklable,
  save,
  tuple,
} from "./build_pickle.ts";
import { tensor, type TensorView } from "./build_torch.ts";
import { type Bytes, bytesOf, concat } from "./bytes.ts";

/** A tensor as PyTorch puts it into a pickle that is not its own. */
export function embedded(values: Iterable<number>, view: TensorView): Bytes {
  const elements = Float32Array.from(values);
  const saved = bytes(savedStorage("FloatStorage", elements.length, elements));
  return tensor(call("torch.storage", "_load_from_bytes", saved), view);
}

export interface ModuleParts {
  args?: Picklable[];
  kwargs?: Record<string, Picklable>;
  parameters?: Record<string, Picklable>;
  buffers?: Record<string, Picklable>;
  modules?: Record<string, Picklable>;
  /** Further fields of its state. */
  attributes?: Record<string, Picklable>;
}

/** An instance of a persistent class; the source that comes with it would do harm if it were run. */
export function persistent(
  className: string,
  {
    args = [],
    kwargs = {},
    parameters = {},
    buffers = {},
    modules = {},
    attributes = {},
  }: ModuleParts,
): Bytes {
  const state = dict({
    training: false,
    _parameters: dict(parameters),
    _buffers: dict(buffers),
    _modules: dict(modules),
    _init_args: tuple(...args),
    _init_kwargs: dict(kwargs),
    ...attributes,
  });
  const about = dict({
    type: "class",
    version: 6,
    module_src: `raise SystemExit("it ran")\n`,
    class_name: className,
    state,
  });
  return call("torch_utils.persistence", "_reconstruct_persistent_obj", about);
}

/** `numpy.dtype(code)` as arrays have it in their pickles. */
export function dtype(code: string, order = "<"): Bytes {
  const state = tuple(3, order, null, null, null, -1, -1, 0);
  return concat(call("numpy", "dtype", code, false, true), save(state), op(0x62));
}

export interface ArrayOptions {
  type?: Bytes;
  isColumnMajor?: boolean;
  /** The package of NumPy's that makes arrays, which was renamed in its version 2. */
  core?: string;
}

/** A NumPy array over `elements`, which are bytes of a pickle. */
export function array(
  shape: number[],
  elements: Bytes,
  { type = dtype("f4"), isColumnMajor = false, core = "numpy.core" }: ArrayOptions = {},
): Bytes {
  const ndarray = named("numpy", "ndarray");
  const empty = call(`${core}.multiarray`, "_reconstruct", ndarray, tuple(0), bytes(op(0x62)));
  return concat(empty, tuple(1, tuple(...shape), type, isColumnMajor, elements), op(0x62));
}

/** A float32 array. */
export function floatArray(shape: number[], values: Iterable<number>): Bytes {
  return array(shape, bytes(bytesOf(Float32Array.from(values))));
}

/** A network of NVIDIA's code for TensorFlow; `settings` are what it was built with. */
export function tensorflow(
  buildName: string,
  variables: Record<string, Picklable>,
  components: Record<string, Picklable> = {},
  settings: Record<string, Picklable> = {},
): Bytes {
  return instance(
    "dnnlib.tflib.network",
    "Network",
    dict({
      version: 4,
      name: "Gs",
      static_kwargs: easyDict(settings),
      components: dict(components),
      build_module_src: "raise SystemExit('it ran')",
      build_func_name: buildName,
      variables: Object.entries(variables).map((pair) => tuple(...pair)),
    }),
  );
}

/** A dict of dnnlib's, which keeps its items as its attributes do. */
function easyDict(values: Record<string, Picklable>): Bytes {
  const items = Object.entries(values).flatMap(([key, value]) => [save(key), save(value)]);
  return concat(named("dnnlib.util", "EasyDict"), op(0x29, 0x81, 0x28), ...items, op(0x75));
}
