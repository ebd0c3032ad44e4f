/**
 * Decides which nodes share a kernel launch.
 *
 * - Only nodes that stand for values of their own count (`live.ts`).
 * - An elementwise or gather node whose readers all run in one launch is computed there, each time
 *   it is read, instead of being stored.
 * - A launch of elementwise nodes that starts from one kernel's result, at the same index, becomes
 *   that kernel's epilogue. What others read on the way is stored there as well.
 */
import { KernelError } from "../errors.ts";
import { type LiveNodes, liveNodes } from "./live.ts";
import type { AnyOp } from "./op.ts";
import { type Attrs, numel, sameShape, type Tensor } from "./tensor.ts";

/** One kernel launch: `root` is stored, everything in `inlined` is computed on the way. */
export interface Launch {
  readonly root: Tensor;
  /** What is stored on the way to the root: the kernel's result, or of the epilogue. */
  readonly alsoStored: readonly Tensor[];
  /** The node whose kernel runs, or null where only elementwise and gather nodes do. */
  readonly kernel: Tensor | null;
  /** Nodes from the kernel's result to the root, in order: the epilogue. */
  readonly epilogue: readonly Tensor[];
  /** Nodes computed inside this launch, the epilogue among them. */
  readonly inlined: ReadonlySet<Tensor>;
  /** Stored tensors and leaves that the launch reads. */
  readonly reads: ReadonlySet<Tensor>;
}

export interface FusedGraph extends Omit<LiveNodes, "nodes"> {
  /** In an order in which every launch follows those it reads from. */
  readonly launches: readonly Launch[];
}

/** Op, inputs and attributes of a node that is not a leaf. */
export function application(
  node: Tensor,
): { op: AnyOp; inputs: Readonly<Record<string, Tensor>>; attrs: Attrs } {
  if (node.source.kind !== "op") throw new KernelError(`Cannot launch a ${node.source.kind} leaf`);
  return node.source;
}

/**
 * Fuses what `roots` depend on; all else is dropped. The roots themselves are always stored.
 * No launch reads and writes more than `maxBuffers` buffers; an element takes `elementBytes` or more.
 */
export function fuse(
  roots: readonly Tensor[],
  maxBuffers: number,
  elementBytes = 4,
): FusedGraph {
  const { nodes, storage, offset } = liveNodes(roots, elementBytes);
  const stored = new Set(roots.map(storage));
  for (;;) {
    const launches = group(nodes, storage, stored);
    const crowded = launches.filter((launch) => launch.reads.size + 1 > maxBuffers);
    if (crowded.length === 0) {
      return { launches: prolong(launches, nodes, storage, stored, maxBuffers), storage, offset };
    }
    for (const launch of crowded) {
      for (const part of partsToStore(launch, storage, maxBuffers - 1)) stored.add(part);
    }
  }
}

/**
 * Inlined parts of a launch to store, so that neither they nor what is left reads more than
 * `maxReads` tensors. One pass cuts a launch however much it reads; what is cut may then be grouped
 * in another way, and have to be looked at again.
 */
function partsToStore(
  { root, kernel, inlined, epilogue, reads }: Launch,
  storage: (tensor: Tensor) => Tensor,
  maxReads: number,
): Tensor[] {
  const stored: Tensor[] = [];
  /** What each part reads, as long as it is not stored itself. */
  const readsOf = new Map<Tensor, ReadonlySet<Tensor>>();
  const inputsOf = (node: Tensor) => new Set(Object.values(application(node).inputs).map(storage));
  const readBy = (node: Tensor) =>
    inputsOf(node).values().map((input) => readsOf.get(input) ?? new Set([input]))
      .reduce<ReadonlySet<Tensor>>((a, b) => a.union(b), new Set());
  for (const node of [...inlined, ...kernel ? [kernel] : []].sort(byId)) {
    readsOf.set(node, readBy(node));
    while (readsOf.get(node)!.size > maxReads) {
      // A part with many inputs of its own, an epilogue only where there is no other.
      const parts = partsBehind(node, inputsOf, readsOf);
      const [part] = parts.filter((part) => readsOf.get(part)!.size > 1).sort((a, b) =>
        Number(epilogue.includes(a)) - Number(epilogue.includes(b)) ||
        inputsOf(b).size - inputsOf(a).size || b.id - a.id
      );
      if (!part) break;
      stored.push(part);
      readsOf.delete(part);
      for (const above of [...parts, node]) {
        if (above.id > part.id) readsOf.set(above, readBy(above));
      }
    }
  }
  if (stored.length > 0) return stored;
  throw new KernelError(
    `Cannot launch ${application(root).op.name}: it reads ${reads.size} buffers, the adapter ` +
      `allows ${maxReads + 1} in all`,
  );
}

const byId = (a: Tensor, b: Tensor) => a.id - b.id;

/** The parts that a node is made from, in order, as far as they are not stored. */
function partsBehind(
  node: Tensor,
  inputsOf: (node: Tensor) => ReadonlySet<Tensor>,
  parts: ReadonlyMap<Tensor, unknown>,
): Tensor[] {
  const found = new Set<Tensor>([node]);
  for (const part of found) {
    for (const input of inputsOf(part)) if (parts.has(input)) found.add(input);
  }
  found.delete(node);
  return [...found].sort(byId);
}

function group(
  nodes: readonly Tensor[],
  storage: (tensor: Tensor) => Tensor,
  stored: ReadonlySet<Tensor>,
): Launch[] {
  const readers = readersOf(nodes, storage);
  /** The launch, named by its root, in which each node is computed. */
  const launchOf = new Map<Tensor, Tensor>();
  for (const node of nodes.toReversed()) {
    if (node.source.kind !== "op") continue;
    const launches = new Set(readers.get(node)?.map(({ reader }) => launchOf.get(reader)!));
    const [launch] = launches;
    const inline = launches.size === 1 && !stored.has(node) && node.source.op.kind !== "kernel" &&
      readers.get(node)!.every(({ reader, name }) => mayInline(node, reader, name, launch!)) &&
      !(rereads(launch!) && endsKernel(node, readers, storage, stored));
    launchOf.set(node, inline ? launch! : node);
  }

  const members = Map.groupBy(nodes.filter((node) => launchOf.has(node)), (n) => launchOf.get(n)!);
  const absorbed = new Set<Tensor>();
  const launches: Launch[] = [];
  for (const [root, inlined] of members) {
    const inside = new Set(inlined);
    const main = mainKernel(root, inside, readers, storage, stored);
    if (main) {
      absorbed.add(main.kernel);
      // What was fused in front of the kernel is computed in its launch, wherever that ends.
      for (const node of members.get(main.kernel)!) inside.add(node);
    }
    const kernel = main?.kernel ?? (application(root).op.kind === "kernel" ? root : null);
    const epilogue = main?.epilogue ?? [];
    if (kernel) inside.delete(kernel);
    const reads = new Set<Tensor>();
    for (const node of [...inside, ...(kernel ? [kernel] : [])]) {
      for (const input of Object.values(application(node).inputs)) {
        const source = storage(input);
        if (!inside.has(source) && source !== kernel) reads.add(source);
      }
    }
    launches.push({ root, alsoStored: [], kernel, epilogue, inlined: inside, reads });
  }
  return launches.filter(({ root }) => !absorbed.has(root)).sort((a, b) => byId(a.root, b.root));
}

/** What is read later than so many launches after it was made would take memory for too long. */
const SOON = 32;

/**
 * Makes launches of elementwise nodes the ends of those whose results they read, which then store
 * these on the way where others read them too: a launch less, and a tensor that is not read again.
 */
function prolong(
  launches: readonly Launch[],
  nodes: readonly Tensor[],
  storage: (tensor: Tensor) => Tensor,
  stored: ReadonlySet<Tensor>,
  maxBuffers: number,
): Launch[] {
  const readers = readersOf(nodes, storage);
  const levels = new Map<Tensor, number>();
  for (const node of nodes) {
    const inputs = node.source.kind === "op" ? Object.values(node.source.inputs) : [];
    levels.set(node, 1 + Math.max(-1, ...inputs.map((input) => levels.get(storage(input))!)));
  }
  const level = (node: Tensor) => levels.get(node)!;
  /** Launches by what they store, with their place in the list. */
  const makers = new Map<Tensor, { launch: Launch; at: number }>();
  for (const [at, launch] of launches.entries()) {
    const merged = prolonged(launch, at) ?? { launch, at };
    for (const node of resultsOf(merged.launch)) makers.set(node, merged);
  }
  return inOrder([...new Set(makers.values())].map(({ launch }) => launch));

  function prolonged(end: Launch, at: number) {
    if (end.kernel || application(end.root).op.kind !== "elementwise") return null;
    // All else that is read has to be there before: then no launch waits for what waits for it.
    const [latest, ...others] = [...end.reads].sort((a, b) => level(b) - level(a));
    const maker = makers.get(latest!);
    if (!maker?.launch.kernel || at - maker.at > SOON) return null;
    const { launch } = maker;
    if (numel(launch.root.shape) !== numel(end.root.shape)) return null; // a part of it
    const op = application(launch.kernel!).op;
    if (op.kind !== "kernel" || !op.texts.every((text) => text.hasEpilogue)) return null;
    const results = resultsOf(launch);
    const first = Math.min(...results.map(level));
    if (others.some((read) => !results.includes(read) && level(read) >= first)) return null;
    const path = pathFrom(results, end.root, end.inlined, storage);
    if (!path) return null;
    const inlined = launch.inlined.union(end.inlined);
    const isRead = (node: Tensor) =>
      stored.has(node) || readers.get(node)!.some(({ reader }) => !inlined.has(reader));
    const merged = {
      root: end.root,
      alsoStored: results.filter(isRead),
      kernel: launch.kernel,
      epilogue: [...launch.epilogue, ...path],
      inlined,
      reads: launch.reads.union(end.reads).difference(new Set(results)),
    };
    const buffers = merged.reads.size + merged.alsoStored.length + 1;
    return buffers <= maxBuffers ? { launch: merged, at: maker.at } : null;
  }
}

/** All that a launch stores. */
export const resultsOf = ({ root, alsoStored }: Launch): Tensor[] => [...alsoStored, root];

/**
 * The launches in the order of their first results, but each after those it reads from. What makes
 * little of much comes as soon as it can: what it reads may then leave memory.
 */
function inOrder(launches: readonly Launch[]): Launch[] {
  const makers = new Map(
    launches.flatMap((launch) => resultsOf(launch).map((node) => [node, launch] as const)),
  );
  const small = Map.groupBy(
    launches.filter(makesLittle).flatMap((launch) =>
      [...launch.reads].map((read) => ({ launch, read }))
    ),
    ({ read }) => read,
  );
  const ordered = new Set<Launch>();
  const isThere = (read: Tensor) => !makers.has(read) || ordered.has(makers.get(read)!);
  const place = (launch: Launch) => {
    if (ordered.has(launch)) return;
    for (const read of [...launch.reads].sort(byId)) if (!isThere(read)) place(makers.get(read)!);
    ordered.add(launch);
    for (const { launch: reader } of resultsOf(launch).flatMap((made) => small.get(made) ?? [])) {
      if ([...reader.reads].every(isThere)) place(reader);
    }
  };
  launches.toSorted((a, b) => byId(resultsOf(a)[0]!, resultsOf(b)[0]!)).forEach(place);
  return [...ordered];
}

/** Whether a launch reads far more than it makes. */
function makesLittle(launch: Launch): boolean {
  const elements = (nodes: Iterable<Tensor>) =>
    [...nodes].reduce((sum, { shape }) => sum + numel(shape), 0);
  return 16 * elements(resultsOf(launch)) < elements(launch.reads);
}

interface Reader {
  readonly reader: Tensor;
  readonly name: string;
}

function readersOf(
  nodes: readonly Tensor[],
  storage: (tensor: Tensor) => Tensor,
): Map<Tensor, Reader[]> {
  const readers = new Map<Tensor, Reader[]>();
  for (const reader of nodes) {
    if (reader.source.kind !== "op") continue;
    for (const [name, input] of Object.entries(reader.source.inputs)) {
      const source = storage(input);
      const list = readers.get(source) ?? [];
      list.push({ reader, name });
      readers.set(source, list);
    }
  }
  return readers;
}

const rereads = (launch: Tensor) => {
  const { op } = application(launch);
  return op.kind === "kernel" && op.kernels.some((kernel) => kernel.rereads);
};

/**
 * Whether a node can be computed where a kernel stores its result: once for each element, which is
 * better than in front of a kernel that reads it many times, and takes no launch of its own either.
 */
function endsKernel(
  node: Tensor,
  readers: ReadonlyMap<Tensor, Reader[]>,
  storage: (tensor: Tensor) => Tensor,
  stored: ReadonlySet<Tensor>,
): boolean {
  if (application(node).op.kind !== "elementwise") return false;
  return Object.values(application(node).inputs).map(storage).some((input) =>
    input.source.kind === "op" && !stored.has(input) && alignedShapes(input, node) &&
    readers.get(input)!.every(({ reader }) => reader === node) &&
    (input.source.op.kind === "kernel"
      ? input.source.op.texts.every((text) => text.hasEpilogue)
      : endsKernel(input, readers, storage, stored))
  );
}

/** Whether `node` may be recomputed in `launch` each time `reader` reads it as `name`. */
function mayInline(node: Tensor, reader: Tensor, name: string, launch: Tensor): boolean {
  const { op } = application(reader);
  const own = application(node).op;
  const cheap = own.kind === "elementwise" && own.cheap === true;
  // One cheap step in front of a kernel that reads each element many times.
  if (reader !== launch && rereads(launch)) return false;
  if (op.kind === "kernel") {
    // Which variant will run is not known yet, so all of them must load through `load_<name>`.
    const loads = op.texts.every((text) => text.loaders.has(name));
    const once = op.kernels.every((kernel) => !kernel.rereads);
    return loads && (once || (cheap && largeInputs(node) <= 1));
  }
  // A small tensor stretched over a large one would be recomputed for every element.
  return cheap || own.kind === "gather" || 8 * numel(node.shape) > numel(reader.shape);
}

/** Inputs of which an element is read for each element, or nearly so. */
function largeInputs(node: Tensor): number {
  const inputs = Object.values(application(node).inputs);
  return inputs.filter(({ shape }) => 2 * numel(shape) > numel(node.shape)).length;
}

/** The kernel whose epilogue the elementwise launch `root` can be, with the nodes from it on. */
function mainKernel(
  root: Tensor,
  inside: ReadonlySet<Tensor>,
  readers: ReadonlyMap<Tensor, Reader[]>,
  storage: (tensor: Tensor) => Tensor,
  stored: ReadonlySet<Tensor>,
): { kernel: Tensor; epilogue: Tensor[] } | null {
  if (application(root).op.kind !== "elementwise") return null;
  const candidates = new Set<Tensor>();
  for (const node of inside) {
    for (const input of Object.values(application(node).inputs)) {
      const source = storage(input);
      if (source.source.kind === "op" && source.source.op.kind === "kernel") candidates.add(source);
    }
  }
  // The latest kernel: then all else that the launch reads has been computed before it.
  for (const kernel of [...candidates].sort((a, b) => b.id - a.id)) {
    const { op } = application(kernel);
    if (stored.has(kernel) || op.kind !== "kernel") continue;
    if (!op.texts.every((text) => text.hasEpilogue)) continue;
    if (numel(kernel.shape) !== numel(root.shape)) continue;
    if (!readers.get(kernel)!.every(({ reader }) => inside.has(reader))) continue;
    const epilogue = pathFrom([kernel], root, inside, storage);
    if (epilogue) return { kernel, epilogue };
  }
  return null;
}

/** Nodes from `starts` to `root`, or null if one of them reads its input at another index. */
function pathFrom(
  starts: readonly Tensor[],
  root: Tensor,
  inside: ReadonlySet<Tensor>,
  storage: (tensor: Tensor) => Tensor,
): Tensor[] | null {
  const path = new Set(starts);
  for (const node of [...inside].sort(byId)) {
    const { op, inputs } = application(node);
    const onPath = Object.values(inputs).filter((input) => path.has(storage(input)));
    if (onPath.length === 0) continue;
    const sameIndex = onPath.every((input) => numel(input.shape) === numel(root.shape)) &&
      numel(node.shape) === numel(root.shape);
    const aligned = onPath.every((input) => alignedShapes(input, node));
    if (op.kind !== "elementwise" || !sameIndex || !aligned) return null;
    path.add(node);
  }
  return path.has(root) ? [...path].slice(starts.length) : null;
}

/** Whether an elementwise node reads this input at its own flat index. */
function alignedShapes(input: Tensor, node: Tensor): boolean {
  return sameShape(input.shape.filter((n) => n !== 1), node.shape.filter((n) => n !== 1));
}
