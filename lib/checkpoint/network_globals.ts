/**
 * The networks in NVIDIA's pickles. Each comes with the source code of its class, which Python would
 * run to make it; here the code is passed over unread, and what is left is data.
 */
import { NumpyArray } from "./numpy_globals.ts";
import {
  describe,
  functions,
  items,
  PickleModule,
  PickleTuple,
  type PickleValue,
} from "./pickle_values.ts";
import { refuse } from "./refusal.ts";

/** A module of PyTorch whose class is decorated by `torch_utils.persistence.persistent_class`. */
class PersistentModule extends PickleModule {
  override get builder() {
    return this.className;
  }
  override get args() {
    return this.#attribute("_init_args");
  }
  override get kwargs() {
    return this.#attribute("_init_kwargs");
  }
  override get attributes() {
    return this.state instanceof Map ? this.state : new Map();
  }
  override get contents() {
    const { state } = this;
    const parts = ["_parameters", "_buffers", "_modules"];
    const missing = state instanceof Map ? parts.filter((key) => !state.has(key)) : parts;
    // A module has all three, and what else NVIDIA decorates none.
    if (missing.length === 1 || missing.length === 2) {
      refuse(`an object of its class "${this.className}" lacks "${missing[0]}"; it is damaged`);
    }
    return parts.flatMap((key) => pairs(this.#attribute(key)));
  }

  #attribute(name: string): PickleValue {
    return this.state instanceof Map ? this.state.get(name) ?? null : null;
  }
}

/** `dnnlib.tflib.Network` of the code for TensorFlow: variables, and networks as components. */
class TensorflowNetwork extends PickleModule {
  constructor() {
    super("dnnlib.tflib.network.Network");
  }

  override get builder() {
    const name = this.#field("build_func_name");
    return typeof name === "string" ? name : "unknown";
  }
  override get args() {
    return new PickleTuple([]);
  }
  override get kwargs() {
    return this.#field("static_kwargs");
  }
  override get attributes() {
    return new Map();
  }
  override get contents() {
    const lacking = ["static_kwargs", "components", "variables"].find((key) => !this.#has(key));
    if (lacking) {
      refuse(`a network of its class "${this.className}" lacks "${lacking}"; it is damaged`);
    }
    const variables = this.#field("variables");
    const own = variables === null ? [] : items(variables).map((pair): Pair => {
      const [name, value = null] = items(pair);
      // TensorFlow gives rows one after the other: a mark that says columns is a damaged one.
      if (value instanceof NumpyArray && value.isColumnMajor) {
        refuse(`the variable ${describe(name)} of its network is column-major; it is damaged`);
      }
      // A variable without axes is kept as a number.
      return [name ?? null, typeof value === "number" ? NumpyArray.ofNumber(value) : value];
    });
    return [...own, ...pairs(this.#field("components"))];
  }

  #has(name: string): boolean {
    return this.state instanceof Map && this.state.has(name);
  }

  #field(name: string): PickleValue {
    return this.state instanceof Map ? this.state.get(name) ?? null : null;
  }
}

type Pair = [name: PickleValue, value: PickleValue];

export const NETWORK_GLOBALS: ReadonlyMap<string, PickleValue> = new Map(functions({
  "torch_utils.persistence._reconstruct_persistent_obj": ([about]) => persistentObject(about),
  "dnnlib.tflib.network.Network": () => new TensorflowNetwork(),
  // A dict whose keys are attributes as well.
  "dnnlib.util.EasyDict": () => new Map(),
}));

function persistentObject(about: PickleValue | undefined): PersistentModule {
  const className = about instanceof Map ? about.get("class_name") : undefined;
  if (!(about instanceof Map) || typeof className !== "string") {
    refuse(
      `it has an object of a persistent class that is ${describe(about)} without a class name`,
    );
  }
  const object = new PersistentModule(className);
  object.state = about.get("state") ?? null;
  return object;
}

function pairs(value: PickleValue): Pair[] {
  if (value === null) return [];
  if (value instanceof Map) return [...value];
  refuse(`its pickle has ${describe(value)} where the parts of a network belong`);
}
