/**
 * Launches that do not need each other, as one: each workgroup finds out by its number whose work it
 * does. A GPU takes as long to begin a launch as it takes for a small one, and small ones leave most
 * of it idle.
 */
import { KernelError } from "../errors.ts";
import { LEAST_WORKGROUP_BYTES } from "../gpu/device.ts";
import type { GeneratedLaunch } from "./codegen.ts";
import { foldGroups, ROW_GROUPS } from "./ops/launch.ts";
import { rebound } from "./wgsl.ts";

/** A launch of the list, with what it has to wait for. */
export interface Neighbour {
  readonly launch: GeneratedLaunch;
  readonly operations: number;
  readonly bytes: number;
  /** Numbers of earlier launches that have to be done before it. */
  readonly after: readonly number[];
  /** Launches that are switched on and off together have the same. */
  readonly group: string;
}

/** Launches of more work than this, some 100 µs on a large GPU, gain nothing by company. */
const SMALL = { operations: 2 ** 32, bytes: 2 ** 27 };

/**
 * One that moves more bytes than this is not run much earlier than its turn, by more launches than
 * `by`: what it makes would take memory until then.
 */
const HASTE = { bytes: 2 ** 26, by: 16 };

/**
 * At most so many launches in one, which takes as long to compile as all of them; of kernels whose
 * threads wait for each other, the large ones, no more than two.
 */
const MOST = 8;
const MOST_LARGE = 2;

/** Large ones share no more memory among their threads than this, or else have a constant ALONE. */
const LARGE_BYTES = 24576;

/** How many large kernels may be in one launch, by the memory that its threads can share. */
export function mostLarge(workgroupBytes: number = LEAST_WORKGROUP_BYTES): number {
  return Math.min(MOST_LARGE, Math.max(1, Math.floor(workgroupBytes / LARGE_BYTES)));
}

/**
 * Numbers of the launches to be run as one, in the order in which they are run; every launch is in one
 * list. What nothing large waits for comes where there is room, or together at the end.
 */
export function partners(
  launches: readonly Neighbour[],
  maxBuffers: number,
  maxLarge: number = MOST_LARGE,
): number[][] {
  interface Batch {
    readonly at: number;
    readonly members: number[];
    readonly buffers: Set<string>;
    threads: number;
    large: number;
  }
  const batches: Batch[] = [];
  const open = new Map<string, Batch[]>();
  const batchOf: number[] = [];
  const ids = new Map<object, number>();
  const tails = tailsOf(launches);
  const place = (i: number) => {
    const { launch, bytes, after, group } = launches[i]!;
    const buffers = new Set(
      launch.bindings.flatMap((binding) => binding.tensor ? [bufferKey(binding, ids)] : []),
    );
    const first = Math.max(-1, ...after.map((k) => batchOf[k]!)) + 1;
    const small = isSmall(launches[i]!);
    const earliest = bytes <= HASTE.bytes ? first : Math.max(first, batches.length - HASTE.by);
    const large = launch.source.includes("const ALONE =")
      ? maxLarge
      : launch.source.includes("workgroupBarrier")
      ? 1
      : 0;
    const threads = threadsOf(launch.source);
    const hasRoom = (batch: Batch) =>
      batch.at >= earliest && batch.members.length < MOST &&
      batch.large + large <= maxLarge &&
      batch.buffers.size + buffers.difference(batch.buffers).size <= maxBuffers;
    // A workgroup can be part of a larger one if its threads do not wait for each other.
    const canBePart = (batch: Batch) =>
      batch.threads > threads
        ? large === 0 && batch.threads % threads === 0
        : batch.large === 0 && threads % batch.threads === 0;
    const others = small ? open.get(group) ?? [] : [];
    const fitting = others.find((batch) => batch.threads === threads && hasRoom(batch)) ??
      others.find((batch) => canBePart(batch) && hasRoom(batch));
    if (fitting) {
      fitting.members.push(i);
      fitting.threads = Math.max(fitting.threads, threads);
      fitting.large += large;
      buffers.forEach((buffer) => fitting.buffers.add(buffer));
      batchOf[i] = fitting.at;
      return;
    }
    const batch = { at: batches.length, members: [i], buffers, threads, large };
    batches.push(batch);
    batchOf[i] = batch.at;
    if (small) open.set(group, [...open.get(group) ?? [], batch]);
  };
  const order = [...launches.keys()];
  order.filter((i) => !tails.has(i)).forEach(place);
  order.filter((i) => tails.has(i)).forEach(place);
  return batches.map(({ members }) => members);
}

const isSmall = ({ operations, bytes }: Neighbour) =>
  operations <= SMALL.operations && bytes <= SMALL.bytes;

/** Small launches that only others of their kind wait for: what becomes of a gradient in the end. */
function tailsOf(launches: readonly Neighbour[]): Set<number> {
  const awaited = new Set<number>();
  const tails = new Set<number>();
  for (const [i, launch] of [...launches.entries()].reverse()) {
    const { bytes, after } = launch;
    if (isSmall(launch) && bytes <= HASTE.bytes && !awaited.has(i)) tails.add(i);
    else after.forEach((k) => awaited.add(k));
  }
  return tails;
}

/**
 * One launch that does the work of all, by workgroups as large as the largest of theirs: one such is
 * several of those that are smaller.
 */
export function sideBySide(launches: readonly GeneratedLaunch[]): GeneratedLaunch {
  if (launches.length === 1) return launches[0]!;
  const sizes = launches.map(({ source }) => threadsOf(source));
  const threads = Math.max(...sizes);
  const ids = new Map<object, number>();
  const modules = agreed(launches, ids);
  const own = ownNames(modules);
  const bound = new Map<string, { name: string; element: string; binding: Binding }>();
  const lines = new Set<string>();
  const calls: string[] = [];

  modules.forEach((module, k) => {
    const names = new Map([...own].map((name) => [name, `${name}_${k}`]));
    for (const { name, element, binding } of boundIn(module, launches[k]!)) {
      if (!binding.tensor) {
        names.set(name, `joined.p${k}`);
        continue;
      }
      const key = bufferKey(binding, ids);
      const known = bound.get(key) ?? { name: `bound${bound.size}`, element, binding };
      bound.set(key, known);
      names.set(name, known.name);
    }
    for (const { name, text } of module) {
      if (BINDING.test(text)) continue;
      if (!own.has(name)) {
        lines.add(text);
        continue;
      }
      const renamed = isStruct(text)
        ? text.replace(name, names.get(name)!)
        : text.replace(WORD, (word) => names.get(word) ?? word);
      if (name !== "main") {
        lines.add(renamed);
        continue;
      }
      const [, attributes, parameters] = /^(.*)fn main_\d+\((.*?)\)\s*\{/s.exec(renamed)!;
      const given = [...parameters!.matchAll(/@builtin\((\w+)\)\s*(\w+\s*:\s*[\w<>]+)/g)];
      lines.add(
        renamed.replace(attributes!, "").replace(parameters!, given.map((g) => g[2]).join(", ")),
      );
      calls.push(`main_${k}(${given.map((g) => argument(g[1]!, sizes[k]!)).join(", ")});`);
    }
  });

  const asked = SUBGROUP_BUILTINS.filter((name) =>
    launches.some(({ source }) => source.includes(`@builtin(${name})`))
  );
  const fields = launches.map((_, k) =>
    `@align(16) p${k}: ${own.has("Params") ? `Params_${k}` : "Params"}`
  );
  const branches = calls.map((call, k) => {
    const size = sizes[k]!;
    const number = k === 0 ? "n" : `(n - joined.ends[${k - 1}].x)`;
    // Where threads wait for each other, WGSL wants to see that all of them come to do so: nothing that
    // says which group they are may depend on the thread.
    const m = size === threads ? number : `${number} * ${threads / size}u + lane / ${size}u`;
    return `if (n < joined.ends[${k}].x) {
    let grid = joined.ends[${k}].yzw;
    let m = ${m};
    let group = vec3<u32>(m % grid.x, m / grid.x % grid.y, m / (grid.x * grid.y));
    let own = ${size === threads ? "lane" : `lane % ${size}u`};
    ${size === threads ? call : `if (group.z < grid.z) { ${call} }`}
    return;
  }`;
  });
  const buffers = [...bound.values()];
  const source = [
    ...lines,
    `struct Joined { ends: array<vec4<u32>, ${launches.length}>, ${fields.join(", ")} }`,
    `@group(0) @binding(0) var<uniform> joined: Joined;`,
    ...buffers.map(({ name, element }, i) =>
      `@group(1) @binding(${i}) var<storage, read_write> ${name}: array<${element}>;`
    ),
    `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) at: vec3<u32>, @builtin(local_invocation_index) lane: u32,
  ${asked.map((name) => `@builtin(${name}) ${name}: u32,`).join(" ")}
) {
  let n = at.y * ${ROW_GROUPS}u + at.x;
  ${branches.join("\n  ")}
}`,
  ].join("\n");
  const groups = launches.map(({ grid }, k) =>
    Math.ceil(grid.reduce((a, b) => a * b) * sizes[k]! / threads)
  );
  return {
    label: labelOf(launches),
    source,
    params: packAll(launches, groups),
    grid: foldGroups(groups.reduce((a, b) => a + b)),
    cost: launches.reduce((sum, { cost }) => sum + cost, 0),
    bindings: [
      { group: 0, binding: 0, tensor: null, offset: 0, bytes: 0 },
      ...buffers.map(({ binding }, i) => ({ ...binding, group: 1, binding: i })),
    ],
  };
}

type Binding = GeneratedLaunch["bindings"][number];

/** One declaration of a module. */
interface Declaration {
  readonly name: string;
  readonly text: string;
}

const BINDING =
  /^@group\((\d+)\)\s*@binding\((\d+)\)\s*var<[^>]*>\s*\w+\s*:\s*(?:array<([\w<>]+)>)?/;

/** What a module binds, with the type of the elements; those of parameters have none. */
function boundIn(module: readonly Declaration[], { bindings }: GeneratedLaunch) {
  return module.filter(({ text }) => BINDING.test(text)).map(({ name, text }) => {
    const [, group, number, element = ""] = BINDING.exec(text)!;
    const binding = bindings.find((b) =>
      b.group === Number(group) && b.binding === Number(number)
    )!;
    return { name, element, binding };
  });
}

/** The modules of launches: what one of them binds as vectors of four, all that bind it do. */
function agreed(launches: readonly GeneratedLaunch[], ids: Map<object, number>): Declaration[][] {
  const all = launches.map((launch) => {
    const buffers = boundIn(declarations(launch.source), launch).filter((b) => b.binding.tensor);
    return buffers.map(({ name, element, binding }) => ({
      name,
      key: bufferKey(binding, ids),
      fours: element.startsWith("vec4"),
    }));
  });
  const inFours = new Set(all.flat().filter(({ fours }) => fours).map(({ key }) => key));
  return launches.map(({ source }, k) =>
    declarations(
      all[k]!.filter(({ key, fours }) => !fours && inFours.has(key))
        .reduce((text, { name }) => rebound(text, name, { fours: true }), source),
    )
  );
}

/** A name, but not that of a field. */
const WORD = /(?<![.\w])[A-Za-z_]\w*/g;

/** Members that ask for these have barriers, so each has whole workgroups and what these are told. */
const SUBGROUP_BUILTINS = ["subgroup_id", "num_subgroups"];

/** What a member of so many threads gets for one of the values that it is told. */
function argument(builtin: string, threads: number): string {
  if (builtin === "workgroup_id") return "group";
  if (builtin === "local_invocation_index") return "own";
  if (builtin === "global_invocation_id") {
    return `group * vec3<u32>(${threads}u, 1u, 1u) + vec3<u32>(own, 0u, 0u)`;
  }
  if (SUBGROUP_BUILTINS.includes(builtin)) return builtin;
  throw new KernelError(`Cannot run kernels side by side that ask for ${builtin}`);
}

const isStruct = (text: string) => text.startsWith("struct");

/** The declarations of a module, without comments. */
function declarations(source: string): Declaration[] {
  const code = source.replace(/\/\/.*$/gm, "");
  const found: Declaration[] = [];
  let [start, depth] = [0, 0];
  for (let i = 0; i < code.length; i++) {
    const c = code[i]!;
    if ("({[".includes(c)) depth++;
    if (")}]".includes(c)) depth--;
    if (depth > 0 || (c !== ";" && c !== "}")) continue;
    const text = code.slice(start, i + 1).trim();
    start = i + 1;
    const [, name] = /\b(?:fn|struct|const|alias|var(?:<[^>]*>)?)\s+(\w+)/.exec(text) ?? [];
    if (name) found.push({ name, text });
  }
  return found;
}

/**
 * Names that each member needs its own of: its bindings and main, what the members define
 * differently, and whatever speaks of these.
 */
function ownNames(modules: readonly Declaration[][]): Set<string> {
  const own = new Set(["main"]);
  const texts = new Map<string, string>();
  for (const { name, text } of modules.flat()) {
    if (BINDING.test(text) || (texts.get(name) ?? text) !== text) own.add(name);
    texts.set(name, text);
  }
  for (let before = 0; before !== own.size;) {
    before = own.size;
    for (const { name, text } of modules.flat()) {
      if (!isStruct(text) && text.match(WORD)!.some((word) => own.has(word))) own.add(name);
    }
  }
  return own;
}

/** Threads in a workgroup of a kernel. */
export function threadsOf(source: string): number {
  const [, size] = /@workgroup_size\((\w+)\)/.exec(source) ?? [];
  const [, value] = new RegExp(`\\bconst ${size}\\s*=\\s*(\\d+)u`).exec(source) ?? [];
  return Number(value ?? size);
}

/** Which range of which tensor a binding is of. */
function bufferKey({ tensor, offset, bytes }: Binding, ids: Map<object, number>): string {
  const id = ids.get(tensor!) ?? ids.size;
  ids.set(tensor!, id);
  return `${id} ${offset} ${bytes}`;
}

/** Of each launch, the number of the next one's first workgroup and its own grid; then the parameters. */
function packAll(launches: readonly GeneratedLaunch[], groups: readonly number[]): ArrayBuffer {
  const aligned = (bytes: number) => Math.ceil(bytes / 16) * 16;
  const sizes = launches.map(({ params }) => aligned(params.byteLength));
  const bytes = new Uint8Array(sizes.reduce((a, b) => a + b, 16 * launches.length));
  const ends = new Uint32Array(bytes.buffer, 0, 4 * launches.length);
  let [at, end] = [ends.byteLength, 0];
  launches.forEach(({ params, grid }, k) => {
    ends.set([end += groups[k]!, ...grid], 4 * k);
    bytes.set(new Uint8Array(params), at);
    at += sizes[k]!;
  });
  return bytes.buffer;
}

/** Labels with how often each comes. */
function labelOf(launches: readonly GeneratedLaunch[]): string {
  const counts = Map.groupBy(launches, ({ label }) => label);
  return [...counts].map(([label, { length }]) => length === 1 ? label : `${length} ${label}`)
    .join(" + ");
}
