/** Reading kernel texts: which buffers they bind, which parameters they take, what may be fused. */
import { KernelError } from "../errors.ts";

export interface KernelBinding {
  readonly name: string;
  readonly binding: number;
  /** Element type, or null for the uniform parameters. */
  readonly element: "f32" | "u32" | null;
  readonly writable: boolean;
  /** The whole declaration, to be cut out when nothing reads the buffer any more. */
  readonly declaration: string;
}

export interface KernelText {
  readonly name: string;
  readonly source: string;
  readonly bindings: readonly KernelBinding[];
  readonly paramFields: readonly { name: string; type: "u32" | "i32" | "f32" }[];
  /** Inputs that the kernel reads through `load_<name>(i)` and `load4_<name>(i)` only. */
  readonly loaders: ReadonlySet<string>;
  /**
   * Buffers of which it may take four elements at once: `load4_<name>(i)` reads those from `4 * i` on,
   * `store4_<name>(i, values)` stores them through `epilogue`.
   */
  readonly fours: ReadonlySet<string>;
  /** True if every result goes through `epilogue(v, i)`. */
  readonly hasEpilogue: boolean;
}

const DECLARATION =
  /@group\(0\)\s*@binding\((\d+)\)\s*var<(storage,\s*read_write|storage,\s*read|uniform)>\s*(\w+)\s*:\s*(?:array<(f32|u32)>|Params)\s*;/g;

/** Parses a kernel; throws a KernelError if it does not follow the conventions of `kernels/`. */
export function parseKernel(name: string, source: string): KernelText {
  const code = source.replace(/\/\/.*$/gm, "");
  const bindings = [...source.matchAll(DECLARATION)].map((match): KernelBinding => ({
    name: match[3]!,
    binding: Number(match[1]),
    element: (match[4] as "f32" | "u32" | undefined) ?? null,
    writable: match[2]!.endsWith("read_write"),
    declaration: match[0],
  }));
  const struct = /struct\s+Params\s*\{([^}]*)\}/.exec(code);
  const declared = (code.match(/@group\(0\)/g) ?? []).length;
  if (!struct || declared !== bindings.length || !/\bfn main\b/.test(code)) {
    throw new KernelError(
      `Cannot use kernel "${name}": it must declare struct Params, group 0 buffers of array<f32> ` +
        `or array<u32>, and fn main`,
    );
  }
  const paramFields = struct[1]!.split(",").map((field) => field.trim()).filter(Boolean)
    .map((field) => {
      const [, fieldName, type] = /^(\w+)\s*:\s*(u32|i32|f32)$/.exec(field) ?? [];
      if (!fieldName) throw new KernelError(`Cannot read "${field}" in Params of "${name}"`);
      return { name: fieldName, type: type as "u32" | "i32" | "f32" };
    });
  const namesIn = (calls: RegExp) => new Set([...code.matchAll(calls)].map((match) => match[1]!));
  const loaders = namesIn(/\bload4?_(\w+)\s*\(/g);
  for (const loader of loaders) {
    if (!bindings.some((b) => b.name === loader)) {
      throw new KernelError(
        `Cannot use kernel "${name}": load_${loader} has no buffer "${loader}"`,
      );
    }
    if (new RegExp(`\\b${loader}\\s*\\[`).test(code)) {
      throw new KernelError(
        `Cannot use kernel "${name}": it reads "${loader}" both directly and by load_${loader}`,
      );
    }
  }
  return {
    name,
    source,
    bindings,
    paramFields,
    loaders,
    fours: namesIn(/\b(?:load|store)4_(\w+)\s*\(/g),
    hasEpilogue: /\bepilogue\s*\(/.test(code),
  };
}

/** How a buffer is bound. */
export interface Bound {
  /** f32 as f16: f32 again as soon as they are loaded, so that nothing else changes. */
  readonly half?: boolean;
  /** As vectors of four elements. */
  readonly fours?: boolean;
}

/** The element at an index of a buffer that is bound as vectors of four. */
export const elementOfFours = (name: string, index: string): string =>
  `${name}[(${index}) / 4u][(${index}) % 4u]`;

/** A kernel's text with a buffer bound in another way. It speaks of a buffer only as `name[index]`. */
export function rebound(source: string, name: string, how: Bound): string {
  const code = source.replace(/\/\/.*$/gm, "");
  const element = new RegExp(`(?<![.\\w])${name}\\[|\\b${name}\\s*:\\s*array<(\\w+)>`, "g");
  const parts: string[] = [];
  let end = 0;
  for (const { 0: found, 1: type, index } of code.matchAll(element)) {
    if (index < end) continue;
    parts.push(code.slice(end, index));
    if (type) {
      const stored = how.half ? "f16" : type;
      parts.push(`${name}: array<${how.fours ? `vec4<${stored}>` : stored}>`);
      end = index + found.length;
      continue;
    }
    const place = index + found.length;
    end = closing(code, place) + 1;
    const inside = rebound(code.slice(place, end - 1), name, how);
    const at = how.fours ? elementOfFours(name, inside) : `${name}[${inside}]`;
    if (!how.half) {
      parts.push(at);
      continue;
    }
    const assignment = /^\s*=(?!=)/.exec(code.slice(end));
    if (!assignment) {
      parts.push(`f32(${at})`);
      continue;
    }
    const value = end + assignment[0].length;
    end = code.indexOf(";", value);
    parts.push(`${at} = f16(${rebound(code.slice(value, end).trim(), name, how)})`);
  }
  return parts.join("") + code.slice(end);
}

/** Where the bracket is closed that was opened just before `start`. */
function closing(code: string, start: number): number {
  let depth = 1;
  for (let i = start;; i++) {
    if (code[i] === "[") depth++;
    if (code[i] === "]" && --depth === 0) return i;
  }
}

/** Packs parameters in the order of the kernel's struct; every field must be supplied. */
export function packParams(text: KernelText, params: Record<string, number>): ArrayBuffer {
  const bytes = new ArrayBuffer(Math.max(16, 4 * text.paramFields.length));
  const view = new DataView(bytes);
  text.paramFields.forEach(({ name, type }, i) => {
    const value = params[name];
    if (value === undefined) {
      throw new KernelError(`Cannot launch "${text.name}": parameter "${name}" is not supplied`);
    }
    if (type === "u32") view.setUint32(4 * i, value, true);
    else if (type === "i32") view.setInt32(4 * i, value, true);
    else view.setFloat32(4 * i, value, true);
  });
  return bytes;
}

/** An f32 literal with exactly the value of `Math.fround(value)`. */
export function f32Literal(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) {
    throw new KernelError(`Cannot write ${value} into a kernel: WGSL has no literal for it`);
  }
  const text = String(rounded);
  return `${/[.e]/.test(text) ? text : text + ".0"}f`;
}
