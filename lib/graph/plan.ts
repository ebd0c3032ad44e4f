/** Everything about a program that is known without a device: launches, their order, its memory. */
import { GpuError } from "../errors.ts";
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { generate, type GeneratedLaunch, generateUpdate } from "./codegen.ts";
import { compose } from "./compose.ts";
import { application, fuse, type Launch, resultsOf } from "./fuse.ts";
import { type Lifetime, mebibytes, type MemoryPlan, planMemory } from "./memory.ts";
import { bytesOf, HALVED_FROM, storageOf, type Stored, type Storing } from "./precision.ts";
import { mostLarge, partners, sideBySide } from "./side_by_side.ts";
import { splitLarge } from "./split.ts";
import { numel, type Tensor } from "./tensor.ts";
import type { Update } from "./update.ts";

export interface ProgramSpec extends Storing {
  readonly outputs?: Readonly<Record<string, Tensor>>;
  readonly updates?: readonly Update[];
  /** The update group of outputs, by name, that are only there where it is not left out. */
  readonly outputGroups?: ReadonlyMap<string, string>;
}

export interface PlannedLaunch extends GeneratedLaunch {
  /** Update groups that need this launch; null if an output or a nameless update does. */
  readonly groups: ReadonlySet<string> | null;
  /** Arithmetic of the kernel and of all that is fused into it. */
  readonly operations: number;
  /** Bytes of all that it binds: what it moves, where each element is read once. */
  readonly bytes: number;
}

export interface ProgramPlan {
  readonly launches: readonly PlannedLaunch[];
  /** How many of them come before the first that changes a state. */
  readonly leading: number;
  readonly memory: MemoryPlan<Tensor>;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly states: ReadonlyMap<string, Tensor>;
  readonly constants: readonly Tensor[];
  /** Nodes that a kernel computes. */
  readonly calls: readonly Tensor[];
  /** The node that holds each output's values. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Bytes of scratch memory, inputs and outputs included; states and constants come on top. */
  readonly scratchBytes: number;
}

interface Step {
  readonly launch: GeneratedLaunch;
  readonly operations: number;
  readonly reads: ReadonlySet<Tensor>;
  /** The scratch tensors it makes; none for an update. */
  readonly makes: readonly Tensor[];
  readonly update: Update | null;
}

/** Steps that one launch takes. */
interface Dispatch {
  readonly launch: GeneratedLaunch;
  readonly steps: readonly Step[];
  readonly groups: ReadonlySet<string> | null;
}

/**
 * Plans a program for an adapter; nothing is allocated. Throws a GpuError for what the adapter has no
 * means for.
 */
export function planProgram(spec: ProgramSpec, adapter: AdapterKind, offered: Limits): ProgramPlan {
  const limits = limitsFor(spec, adapter, offered);
  const inHalves = spec.precision === "f16";
  if (inHalves && !limits.halves) {
    throw new GpuError(
      "Cannot compute in f16: the adapter does not have shader-f16; use --precision f32",
    );
  }
  const given = { outputs: spec.outputs ?? {}, updates: spec.updates ?? [] };
  const { outputs: results, updates } = splitLarge(
    compose(given, adapter, limits, spec.precision ?? "f32"),
    limits.bindingBytes,
  );
  const outputs = Object.entries(results);
  const roots = [
    ...outputs.map(([, tensor]) => tensor),
    ...updates.flatMap((update) => Object.values(update.values)),
  ];
  const graph = fuse(roots, limits.storageBuffers, inHalves ? 2 : 4);
  const stored = storageOf(graph.launches, new Set(roots.map(graph.storage)), spec);
  const steps: Step[] = graph.launches.map((launch) => ({
    launch: generate(launch, graph, adapter, stored, limits),
    operations: countOperations(launch),
    reads: launch.reads,
    makes: resultsOf(launch),
    update: null,
  }));
  for (const update of updates) {
    const reads = new Set(Object.values(update.values).map(graph.storage));
    const launch = generateUpdate(update, graph, stored);
    const operations = numel(update.values[update.spec.states[0]!]!.shape);
    insertUpdate(steps, { launch, operations, reads, makes: [], update });
  }

  const outputNodes = new Map(outputs.map(([name, tensor]) => [name, graph.storage(tensor)]));
  const leaves = new Set(steps.flatMap((step) => [...step.reads]));
  for (const node of outputNodes.values()) leaves.add(node);
  const ofKind = (kind: string) => [...leaves].filter((leaf) => leaf.source.kind === kind);
  const named = (kind: "input" | "state") =>
    new Map(ofKind(kind).map((leaf) => [(leaf.source as { name: string }).name, leaf]));
  checkBindings(steps, limits);

  const kept = new Set(outputNodes.values());
  const groups = neededBy(steps, neededOutputs(outputNodes, spec.outputGroups));
  const dispatches = limits.joinsLaunches
    ? together(steps, groups, limits)
    : steps.map((step, i) => ({ launch: step.launch, steps: [step], groups: groups[i]! }));
  const memory = planMemory(lifetimes(dispatches, kept, stored), limits.bufferBytes);
  const firstUpdate = dispatches.findIndex(({ steps }) => steps.some(({ update }) => update));
  return {
    launches: dispatches.map(({ launch, steps, groups }) => ({
      ...launch,
      groups,
      operations: steps.reduce((sum, { operations }) => sum + operations, 0),
      bytes: bytesBound(launch),
    })),
    leading: firstUpdate < 0 ? dispatches.length : firstUpdate,
    memory,
    inputs: named("input"),
    states: named("state"),
    constants: ofKind("constant"),
    calls: graph.launches.flatMap(({ kernel }) => kernel ?? []),
    outputs: outputNodes,
    scratchBytes: memory.arenas.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** What a program may use of an adapter: products in f16 if it is in f16, by kernels of GPUs. */
export function limitsFor(
  { precision, halvedFrom = HALVED_FROM }: Storing,
  adapter: AdapterKind,
  limits: Limits,
): Limits {
  return precision === "f16" && adapter === "gpu" && limits.halves
    ? { ...limits, matrix: limits.tensorCores, halfFrom: halvedFrom }
    : limits;
}

const bytesBound = ({ bindings }: GeneratedLaunch) =>
  bindings.reduce((sum, { bytes }) => sum + bytes, 0);

/** Operations of a launch, each fused op as one for each of its elements. */
function countOperations({ kernel, inlined }: Launch): number {
  return [...inlined, ...kernel ? [kernel] : []].reduce((sum, node) => {
    const { op, inputs, attrs } = application(node);
    const each = op.kind === "gather"
      ? 0
      : op.kind === "kernel"
      ? op.operations?.(inputs, attrs) ?? 1
      : 1;
    return sum + each * numel(node.shape);
  }, 0);
}

/** The states that an update changes. */
function changedBy({ spec, values }: Update): Set<Tensor> {
  return new Set(spec.states.map((name: string) => values[name]!));
}

/** Puts an update as early as it may run, so that what it reads leaves memory soon. */
function insertUpdate(steps: Step[], step: Step): void {
  const changed = changedBy(step.update!);
  const last = steps.findLastIndex((other) =>
    other.makes.some((made) => step.reads.has(made)) ||
    [...changed].some((state) => other.reads.has(state))
  );
  steps.splice(last + 1, 0, step);
}

/** Joins small launches that may run at the same time. */
function together(
  steps: readonly Step[],
  groups: readonly Groups[],
  limits: Limits,
): Dispatch[] {
  const makers = new Map<Tensor, number>();
  const readers = new Map<Tensor, number[]>();
  const neighbours = steps.map(({ launch, operations, reads, makes, update }, i) => {
    const after: number[] = [];
    for (const tensor of reads) {
      const maker = makers.get(tensor);
      if (maker !== undefined) after.push(maker);
      // What an update changes has to have been read by all who need the old value.
      if (update && changedBy(update).has(tensor)) after.push(...readers.get(tensor) ?? []);
      readers.set(tensor, [...readers.get(tensor) ?? [], i]);
    }
    for (const tensor of makes) makers.set(tensor, i);
    return {
      launch,
      operations,
      bytes: bytesBound(launch),
      after,
      group: [...groups[i] ?? [""]].sort().join(),
    };
  });
  return partners(neighbours, limits.storageBuffers, mostLarge(limits.workgroupBytes)).map((
    members,
  ) => ({
    launch: sideBySide(members.map((i) => steps[i]!.launch)),
    steps: members.map((i) => steps[i]!),
    groups: groups[members[0]!]!,
  }));
}

function lifetimes(
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<Tensor>,
  stored: (tensor: Tensor) => Stored,
): Lifetime<Tensor>[] {
  const spans = new Map<Tensor, { first: number; last: number }>();
  dispatches.forEach(({ steps }, i) => {
    for (const { makes } of steps) {
      for (const tensor of makes) spans.set(tensor, { first: i, last: i });
    }
    for (const tensor of steps.flatMap(({ reads }) => [...reads])) {
      // Inputs are written before the first launch.
      if (tensor.source.kind === "input" && !spans.has(tensor)) {
        spans.set(tensor, { first: 0, last: i });
      }
      const span = spans.get(tensor);
      if (span) span.last = i;
    }
  });
  for (const tensor of kept) {
    if (tensor.source.kind === "input" && !spans.has(tensor)) {
      spans.set(tensor, { first: 0, last: dispatches.length });
    }
    const span = spans.get(tensor);
    if (span) span.last = dispatches.length;
  }
  return [...spans].map(([tensor, span]) => ({
    tensor,
    bytes: bytesOf(tensor, stored(tensor)),
    ...span,
  }));
}

/** Groups by which something is needed: null where it always is. */
type Groups = ReadonlySet<string> | null;

const either = (a: Groups | undefined, b: Groups): Groups =>
  a === null || b === null ? null : (a ?? new Set()).union(b);

/** By which groups each output is needed. */
function neededOutputs(
  outputs: ReadonlyMap<string, Tensor>,
  groups: ReadonlyMap<string, string> = new Map(),
): Map<Tensor, Groups> {
  const needed = new Map<Tensor, Groups>();
  for (const [name, node] of outputs) {
    const group = groups.get(name);
    needed.set(node, either(needed.get(node), group === undefined ? null : new Set([group])));
  }
  return needed;
}

/** For each step, the groups that need it, given those that need the outputs. */
function neededBy(steps: readonly Step[], outputs: ReadonlyMap<Tensor, Groups>): Groups[] {
  const needed = new Map(outputs);
  const result = new Array<Groups>(steps.length);
  for (let i = steps.length - 1; i >= 0; i--) {
    const { update, makes, reads } = steps[i]!;
    const groups = update
      ? (update.group === null ? null : new Set([update.group]))
      : makes.reduce<Groups>(
        (all, made) => needed.has(made) ? either(all, needed.get(made)!) : all,
        new Set(),
      );
    result[i] = groups;
    for (const tensor of reads) needed.set(tensor, either(needed.get(tensor), groups));
  }
  return result;
}

/** Refuses tensors that one binding cannot hold. */
function checkBindings(steps: readonly Step[], limits: Limits): void {
  for (const { launch } of steps) {
    for (const { tensor, bytes } of launch.bindings) {
      if (bytes <= limits.bindingBytes) continue;
      throw new GpuError(
        `Cannot run ${launch.label} on a tensor of shape [${tensor?.shape}]: it takes ` +
          `${mebibytes(bytes)} and the adapter binds at most ` +
          `${mebibytes(limits.bindingBytes)}; use a smaller batch or generator`,
      );
    }
  }
}
