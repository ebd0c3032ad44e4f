/** WGSL for one launch: the kernel's text with its loaders, its epilogue and what they compute. */
import mapWgsl from "../../kernels/map.wgsl" with { type: "text" };
import { GpuError, KernelError } from "../errors.ts";
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { application, type FusedGraph, type Launch } from "./fuse.ts";
import type { Kernel } from "./op.ts";
import { bytesOf, bytesPerElement, type Stored } from "./precision.ts";
import { PER_ELEMENT, perElement } from "./ops/launch.ts";
import { broadcastStrides, indexExpression } from "./ops/shape.ts";
import { numel, sameShape, type Shape, type Tensor } from "./tensor.ts";
import type { Update } from "./update.ts";
import { elementOfFours, type KernelText, packParams, parseKernel, rebound } from "./wgsl.ts";

/** A launch ready for the device, but for where its tensors lie. */
export interface GeneratedLaunch {
  /** Kernel and what was fused into it, `matmul_cpu[affine,lrelu]`: in errors and profiles. */
  readonly label: string;
  readonly source: string;
  readonly params: ArrayBuffer;
  readonly grid: readonly [number, number, number];
  /** What the kernel is counted to cost; 0 where that is not counted. */
  readonly cost: number;
  readonly bindings: readonly {
    readonly group: number;
    readonly binding: number;
    /** The tensor bound there, or null for the parameters. */
    readonly tensor: Tensor | null;
    /** What of it, in bytes; 0 for the parameters. */
    readonly offset: number;
    readonly bytes: number;
  }[];
}

const MAP_TEXT = parseKernel("map", mapWgsl);

// A kernel of any op, as AnyOp is any op.
// deno-lint-ignore no-explicit-any
type AnyKernel = Kernel<any, any>;

/** How each tensor lies in memory. */
type Storage = (tensor: Tensor) => Stored;

/** Generates the text of a launch for an adapter of the given kind. */
export function generate(
  launch: Launch,
  graph: FusedGraph,
  adapter: AdapterKind,
  stored: Storage,
  limits: Limits,
): GeneratedLaunch {
  const { text, kernel, params, cost } = chooseKernel(launch, adapter, limits);
  const inputs = launch.kernel ? application(launch.kernel).inputs : {};
  const fours = new Set(
    kernel.fours?.(params, (name) => mayBeFours(inputs[name]!, launch, graph)),
  );
  const loaded = Object.entries(inputs).filter(([name]) => fours.has(name));
  const inFours = new Set(loaded.map(([, input]) => graph.storage(input)));
  const writer = new Writer(launch, graph, stored, inFours);
  const bindings: GeneratedLaunch["bindings"][number][] = [];
  let source = text.source;

  if (launch.kernel) {
    for (const { name, binding, element, writable, declaration } of text.bindings) {
      if (element === null) bindings.push({ group: 0, binding, ...PARAMETERS });
      else if (writable) bindings.push({ group: 0, binding, ...bound(launch.root, graph, stored) });
      else if (text.loaders.has(name)) {
        // Loaded values come from wherever the expression in front reads them.
        writer.define(`load_${name}`, `return ${writer.at(inputs[name]!, "i")};`);
        if (text.fours.has(name)) writer.load4(name, inputs[name]!);
        source = source.replace(declaration, "");
      } else bindings.push({ group: 0, binding, ...bound(inputs[name]!, graph, stored) });
    }
    if (text.hasEpilogue) writer.epilogue();
    if (text.fours.has("out")) writer.store4(fours.has("out"));
  } else {
    for (const { binding, element } of text.bindings) {
      const what = element === null ? PARAMETERS : bound(launch.root, graph, stored);
      bindings.push({ group: 0, binding, ...what });
    }
    writer.define("value", `return ${writer.call(launch.root)}(i);`);
  }

  for (const { group, binding, tensor } of bindings) {
    if (group !== 0 || tensor === null) continue;
    const { name } = text.bindings.find((b) => b.binding === binding)!;
    const how = { half: stored(tensor) === "f16", fours: fours.has(name) };
    if (how.half || how.fours) source = rebound(source, name, how);
  }

  const grid = kernel.grid(params);
  if (grid.some((groups) => groups > 65535)) {
    throw new GpuError(
      `Cannot launch "${text.name}" for [${launch.root.shape}]: a grid of [${grid}] workgroups is ` +
        `more than the 65535 that WebGPU allows along an axis; use a smaller batch`,
    );
  }
  return {
    label: label(text.name, launch),
    source: [...constLines(kernel), ...atOnceLines(text, fours), source, ...writer.lines]
      .join("\n"),
    params: packParams(text, params),
    grid,
    cost,
    bindings: [...bindings, ...writer.bindings],
  };
}

/** Generates the launch of an update: its kernel binds the states and reads stored inputs. */
export function generateUpdate(
  update: Update,
  graph: FusedGraph,
  stored: Storage,
): GeneratedLaunch {
  const { spec, values, attrs } = update;
  const { text, kernel } = spec;
  const params = kernel.params(values, attrs, values[spec.states[0]]!);
  return {
    label: text.name,
    source: [...constLines(kernel), text.source].join("\n"),
    params: packParams(text, params),
    grid: kernel.grid(params),
    cost: 0,
    bindings: text.bindings.map(({ name, binding, element }) => ({
      group: 0,
      binding,
      ...element === null ? PARAMETERS : bound(values[name]!, graph, stored),
    })),
  };
}

const PARAMETERS = { tensor: null, offset: 0, bytes: 0 };

/** Where the values of a tensor lie. */
function bound(value: Tensor, graph: FusedGraph, stored: Storage) {
  const tensor = graph.storage(value);
  const size = bytesPerElement(stored(tensor));
  return {
    tensor,
    offset: size * graph.offset(value),
    bytes: bytesOf(value, stored(tensor)),
  };
}

function constLines(kernel: Pick<AnyKernel, "consts">): string[] {
  return Object.entries(kernel.consts ?? {}).map(([name, value]) => `const ${name} = ${value}u;`);
}

const atOnceLines = (text: KernelText, fours: ReadonlySet<string>): string[] =>
  [...text.fours].map((name) =>
    `const ${name.toUpperCase()}_AT_ONCE = ${fours.has(name) ? 4 : 1}u;`
  );

/** Whether a tensor's elements from any multiple of 4 on are one vector of a buffer. */
function mayBeFours(tensor: Tensor, { inlined }: Launch, graph: FusedGraph): boolean {
  const source = graph.storage(tensor);
  return !inlined.has(source) && numel(source.shape) % 4 === 0 && graph.offset(tensor) % 4 === 0;
}

function chooseKernel(launch: Launch, adapter: AdapterKind, limits: Limits) {
  if (!launch.kernel) {
    const params = { count: numel(launch.root.shape) };
    const kernel = { consts: PER_ELEMENT, grid: perElement };
    return {
      text: MAP_TEXT,
      kernel: kernel as Pick<AnyKernel, "consts" | "grid" | "fours">,
      params,
      cost: 0,
    };
  }
  const { op } = application(launch.kernel);
  if (op.kind !== "kernel") throw new KernelError(`Cannot launch ${op.name}: it has no kernel`);
  const chosen = kernelFor(launch.kernel, adapter, limits);
  if (!chosen) throw new KernelError(`Cannot launch ${op.name}: no kernel takes these shapes`);
  return { ...chosen, text: op.texts[op.kernels.indexOf(chosen.kernel)]! };
}

/** The kernel that computes a node on an adapter, with its parameters; null if none does. */
export function kernelFor(node: Tensor, adapter: AdapterKind, limits: Limits): Candidate | null {
  return taken(candidates(node, adapter, limits), node, limits);
}

/**
 * That of several means for a node which is known to be the fastest, or else that of the least counted
 * cost, the first of equals; null if there is none.
 */
export function taken<T extends { readonly name: string; readonly cost: number }>(
  all: readonly T[],
  node: Tensor,
  limits: Limits,
): T | null {
  if (all.length > 1 && limits.fastest) {
    const name = limits.fastest(callText(node, limits), all.map(({ name }) => name));
    const known = all.find((one) => one.name === name);
    if (known) return known;
  }
  return all.reduce<T | null>((best, next) => best && best.cost <= next.cost ? best : next, null);
}

/** A call by its op, shapes, attributes and means: calls with the same key take the same time. */
export function callText(node: Tensor, { matrix, halfFrom }: Limits): string {
  const { op, inputs, attrs } = application(node);
  const shapes = Object.values(inputs).map(({ shape }) => `[${shape}]`).join(" ");
  const means = `${halfFrom === undefined ? "" : " f16"}${matrix ? ` ${matrix}` : ""}`;
  return `${op.name} ${shapes} ${JSON.stringify(attrs)}${means}`;
}

export interface Candidate {
  readonly kernel: AnyKernel;
  readonly name: string;
  readonly half: boolean;
  readonly params: Record<string, number>;
  readonly cost: number;
}

/** All kernels that can compute a node on an adapter. */
export function candidates(node: Tensor, adapter: AdapterKind, limits: Limits): Candidate[] {
  const { op, inputs, attrs } = application(node);
  if (op.kind !== "kernel") return [];
  const { halfFrom = Infinity } = limits;
  return (op.kernels as AnyKernel[]).flatMap((kernel) => {
    if (kernel.half && numel(node.shape) < halfFrom) return [];
    const params = kernel.params(inputs, attrs, node);
    if (kernel.when && !kernel.when(adapter, params, limits)) return [];
    const { name, half = false } = kernel;
    return [{ kernel, name, half, params, cost: kernel.cost?.(params) ?? 0 }];
  });
}

function label(name: string, launch: Launch): string {
  const fused = [...launch.inlined].sort((a, b) => a.id - b.id).map((n) => application(n).op.name);
  return fused.length === 0 ? name : `${name}[${fused.join(",")}]`;
}

/** Writes fused nodes as functions of the flat index, binding what they read in group 1. */
class Writer {
  readonly lines: string[] = [];
  readonly bindings: GeneratedLaunch["bindings"][number][] = [];
  readonly #functions = new Map<Tensor, string>();
  readonly #buffers = new Map<Tensor, string>();

  constructor(
    private readonly launch: Launch,
    private readonly graph: FusedGraph,
    private readonly stored: Storage,
    /** Stored tensors that are bound as vectors of four elements. */
    private readonly fours: ReadonlySet<Tensor>,
  ) {}

  define(name: string, body: string, type = "f32"): void {
    this.lines.push(`fn ${name}(i: u32) -> ${type} { ${body} }`);
  }

  /** `load4_<name>(i)`: the elements of an input from `4 * i` on, as one load if it lies so. */
  load4(name: string, tensor: Tensor): void {
    const source = this.graph.storage(tensor);
    const value = this.fours.has(source)
      ? `${this.#buffer(source)}[i + ${this.graph.offset(tensor) / 4}u]`
      : `${[0, 1, 2, 3].map((k) => `load_${name}(4u * i + ${k}u)`)}`;
    this.define(`load4_${name}`, `return vec4<f32>(${value});`, "vec4<f32>");
  }

  /** `store4_out(i, v)`: stores the results from `4 * i` on, by one store if the buffer is of vectors. */
  store4(fours: boolean): void {
    const type = this.stored(this.launch.root);
    const ends = [0, 1, 2, 3].map((k) => `epilogue(v[${k}], 4u * i + ${k}u)`);
    const body = fours
      ? `out[i] = vec4<${type}>(vec4<f32>(${ends}));`
      : ends.map((end, k) => `out[4u * i + ${k}u] = ${type}(${end});`).join(" ");
    this.lines.push(`fn store4_out(i: u32, v: vec4<f32>) { ${body} }`);
  }

  /** Expression for the element of `tensor` at a flat index. */
  at(tensor: Tensor, index: string): string {
    const source = this.graph.storage(tensor);
    const offset = this.graph.offset(tensor);
    const at = offset === 0 ? index : `${index} + ${offset}u`;
    if (this.launch.inlined.has(source)) return `${this.call(source)}(${at})`;
    const name = this.#buffer(source);
    const element = this.fours.has(source) ? elementOfFours(name, at) : `${name}[${at}]`;
    return this.stored(source) === "f16" ? `f32(${element})` : element;
  }

  /** Name of the function that computes an inlined node, written on first use. */
  call(node: Tensor): string {
    const known = this.#functions.get(node);
    if (known) return known;
    const { op, inputs, attrs } = application(node);
    let body: string;
    if (op.kind === "elementwise") {
      const { lets, value } = this.#elementwise(
        node,
        (input) => this.#broadcast(input, node.shape),
      );
      body = `${lets}return ${value};`;
    } else if (op.kind === "gather") {
      body = op.body(
        (name: string, index: string) => this.at(inputs[name]!, index),
        inputs,
        attrs,
        node,
      );
    } else throw new KernelError(`Cannot inline ${op.name}: it has a kernel of its own`);
    // Functions are numbered in order of writing, so equal launches have equal texts.
    const name = `v${this.#functions.size}`;
    this.#functions.set(node, name);
    this.define(name, body);
    return name;
  }

  /** `epilogue(v, i)`: what happens to a result of the kernel at flat index `i` before it is stored. */
  epilogue(): void {
    const names = new Map<Tensor, string>([[this.launch.kernel!, "v"]]);
    const alsoStored = new Set(this.launch.alsoStored);
    const lines: string[] = [];
    const store = (node: Tensor) => {
      if (!alsoStored.has(node)) return;
      const value = names.get(node)!;
      const rounded = this.stored(node) === "f16" ? `f16(${value})` : value;
      lines.push(`${this.#buffer(node)}[i] = ${rounded};`);
    };
    store(this.launch.kernel!);
    for (const node of this.launch.epilogue) {
      const name = `n${names.size}`;
      const { lets, value } = this.#elementwise(node, (input) => {
        return names.get(this.graph.storage(input)) ?? this.#broadcast(input, node.shape);
      }, name);
      lines.push(`${lets}let ${name} = ${value};`);
      names.set(node, name);
      store(node);
    }
    const result = names.get(this.launch.root) ?? "v";
    this.lines.push(
      `fn epilogue(v: f32, i: u32) -> f32 { ${lines.join(" ")} return ${result}; }`,
    );
  }

  /** The node's expression, with a `let` before it for each input, as it may use one twice. */
  #elementwise(node: Tensor, value: (input: Tensor) => string, prefix = "") {
    const { op, inputs, attrs } = application(node);
    if (op.kind !== "elementwise") throw new KernelError(`Cannot write ${op.name} as expression`);
    const names = Object.keys(inputs).map((name) => [name, `${prefix}${name}_`]);
    const lets = names.map(([name, local]) => `let ${local} = ${value(inputs[name!]!)}; `).join("");
    return { lets, value: op.expression(Object.fromEntries(names), attrs) as string };
  }

  #broadcast(input: Tensor, shape: Shape): string {
    if (sameShape(input.shape, shape)) return this.at(input, "i");
    return this.at(input, indexExpression("i", shape, broadcastStrides(input.shape, shape)));
  }

  #buffer(tensor: Tensor): string {
    const known = this.#buffers.get(tensor);
    if (known) return known;
    const binding = this.#buffers.size;
    const name = `e${binding}`;
    this.#buffers.set(tensor, name);
    this.bindings.push({ group: 1, binding, ...bound(tensor, this.graph, this.stored) });
    const stored = this.stored(tensor);
    const element = this.fours.has(tensor) ? `vec4<${stored}>` : stored;
    this.lines.push(
      `@group(1) @binding(${binding}) var<storage, read> ${name}: array<${element}>;`,
    );
    return name;
  }
}
