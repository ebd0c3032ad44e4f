import type { AdaptationRequest } from "../types.ts";

/** The address of Create with the settings of an adaptation. */
export function createLink(request: AdaptationRequest): string {
  const { source, target, lambdas, auto_layers, clip, ...rest } = request;
  const query = new URLSearchParams({ from: source ?? "" });
  if (typeof target === "string") query.set("to", target);
  if (typeof clip === "string") query.set("clip", clip);
  for (const [name, value] of Object.entries(lambdas ?? {})) {
    query.set(`lambda_${name}`, String(value));
  }
  const { count } = (auto_layers ?? {}) as { count?: number };
  if (count !== undefined) query.set("auto_layers", String(count));
  for (const [name, value] of Object.entries(rest)) {
    if (typeof value === "number" || typeof value === "string") query.set(name, String(value));
  }
  return `#/create?${query}`;
}
