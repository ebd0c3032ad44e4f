/** What Create's address asks for, as a request to the service, and the way back. */
import { type Option, OPTIONS, pathOf } from "./options.ts";
import type { AdaptationRequest } from "./types.ts";

/** A text or a model, and what it counts. */
export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

/** Names and weights that stand in the address as `to=a&to=b&to_weight=1&to_weight=0.5`. */
export function readWeighted(query: URLSearchParams, key: string): Weighted[] {
  const weights = query.getAll(`${key}_weight`);
  return query.getAll(key).map((name, i) => ({ name, weight: Number(weights[i] ?? 1) }));
}

/** What readWeighted() reads; a single one needs no weight. */
export function writeWeighted(key: string, all: readonly Weighted[]): Record<string, string[]> {
  return {
    [key]: all.map(({ name }) => name),
    [`${key}_weight`]: all.length > 1 ? all.map(({ weight }) => String(weight)) : [],
  };
}

/** What holds where the address does not say. */
export interface Otherwise {
  readonly generator: string;
  readonly clip: string;
  readonly steps: number;
  /** Options of the recipe that is chosen. */
  readonly preset?: object;
}

/** Previews that a run has at least, so that there is something to watch. */
const PREVIEWS = 10;

export function previewEvery(steps: number): number {
  return Math.ceil(steps / PREVIEWS);
}

export function requestOf(query: URLSearchParams, otherwise: Otherwise): Record<string, unknown> {
  const source = (query.get("from") ?? "photo").trim();
  const targets = readWeighted(query, "to")
    .map(({ name, weight }) => ({ text: name.trim(), weight }))
    .filter(({ text }) => text !== "");
  const clips = readWeighted(query, "clip");
  const request: Record<string, unknown> = {
    generator: query.get("generator") ?? otherwise.generator,
    clip: clips.length > 1 ? clips : clips[0]?.name ?? otherwise.clip,
    preview_every: previewEvery(Number(query.get("steps") || otherwise.steps)),
    ...otherwise.preset,
  };
  if (source !== "") request.source = source;
  if (targets.length > 0) request.target = targets.length > 1 ? targets : targets[0]!.text;
  for (const name of REFERENCES) if (query.get(name)) request[name] = query.get(name);
  if (query.get("class")) request.class = Number(query.get("class"));
  for (const option of OPTIONS) {
    const value = valueOf(option, query.get(option.name) ?? "");
    if (value !== null) put(request, pathOf(option), value);
  }
  return request;
}

/** The address of Create with the settings of an adaptation, its pictures included. */
export function createLink(request: AdaptationRequest, picturesOf: string | null): string {
  const { source, target, clip, generator } = request;
  const targets = typeof target === "string" ? [{ text: target, weight: 1 }] : target ?? [];
  const clips = typeof clip === "string" ? [{ name: clip, weight: 1 }] : clip;
  const query = new URLSearchParams({ from: source ?? "", generator });
  const lists = {
    ...writeWeighted("to", targets.map(({ text, weight }) => ({ name: text, weight }))),
    ...writeWeighted("clip", clips),
  };
  for (const [name, values] of Object.entries(lists)) {
    values.forEach((value) => query.append(name, value));
  }
  if (picturesOf !== null) query.set("style_from", picturesOf);
  if (typeof request.start_from === "string") query.set("start_from", request.start_from);
  if (typeof request.class === "number") query.set("class", String(request.class));
  for (const option of OPTIONS) {
    const value = get(request, pathOf(option));
    if (value !== undefined) query.set(option.name, String(value));
  }
  return `#/create?${query}`;
}

/** Fields that name an earlier adaptation. */
const REFERENCES = ["start_from", "style_from"];

function valueOf({ kind }: Option, text: string): unknown {
  if (text === "") return null;
  if (kind === "number") return Number(text);
  return kind === "list" ? text.split(",").map((word) => word.trim()).filter(Boolean) : text;
}

function put(request: Record<string, unknown>, [key, field]: readonly string[], value: unknown) {
  request[key!] = field === undefined ? value : { ...request[key!] as object, [field]: value };
}

function get(request: AdaptationRequest, [key, field]: readonly string[]): unknown {
  const value = request[key!];
  return field === undefined ? value : (value as Record<string, unknown> | undefined)?.[field];
}
