/** Public models that go by a name: where they are, under which licence. `registry.json` lists them. */
import { UserError } from "../lib/errors.ts";
import entries from "./registry.json" with { type: "json" };

export interface RegistryEntry {
  readonly name: string;
  readonly kind: "generator" | "clip";
  /** What it draws, or who made it. */
  readonly about: string;
  /** Side of its images. */
  readonly resolution: number;
  readonly licence: string;
  readonly licenceUrl: string;
  readonly url: string;
  /** Where somebody has said them in public; they are compared with what comes. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
}

export const REGISTRY = entries as readonly RegistryEntry[];

/** The entry of a name, in whichever case; null if there is none. */
export function findEntry(name: string): RegistryEntry | null {
  return REGISTRY.find((entry) => entry.name.toLowerCase() === name.toLowerCase()) ?? null;
}

/** The entry of a name. Throws a UserError that says which names there are. */
export function entryOf(name: string): RegistryEntry {
  const entry = findEntry(name);
  if (entry) return entry;
  throw new UserError(
    `Cannot pull "${name}": nada knows no model of that name; nada models lists those it knows, and ` +
      `hf:owner/repo or an address with --sha256 bring others`,
  );
}
