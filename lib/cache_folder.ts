import { join, resolve } from "node:path";

/** Where nada keeps what it can make or bring again; it may not be there yet. */
export function cacheFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? ".", ".cache");
  return resolve(cache, "nada");
}
