/** CLIP models that stay on the device between requests; those that are in use cannot be dropped. */
import type { Gpu } from "../../lib/gpu/device.ts";
import { Clip } from "../../models/clip/mod.ts";
import type { Cache } from "./spare.ts";
import type { LoadedModel } from "./work.ts";

interface Entry {
  readonly clip: Clip;
  /** Requests that use it now. */
  users: number;
  usedAt: number;
}

export class ClipCache implements Cache {
  /** The one used last is the last. */
  readonly #entries = new Map<string, Promise<Entry>>();
  /** Those that are open. */
  readonly #open = new Map<string, Entry>();

  constructor(private readonly gpu: Gpu) {}

  get loaded(): LoadedModel[] {
    return this.#open.entries().map(([path, { clip, usedAt }]) => ({
      kind: "clip" as const,
      path,
      bytes: clip.heldBytes,
      adaptations: 0,
      idleMs: performance.now() - usedAt,
    })).toArray();
  }

  /** Does something with a model. One with which that fails is opened anew the next time. */
  async use<T>(path: string, action: (clip: Clip) => Promise<T>): Promise<T> {
    const opening = this.#entries.get(path) ?? this.#load(path);
    this.#entries.delete(path);
    this.#entries.set(path, opening);
    const entry = await opening;
    entry.users++;
    try {
      return await action(entry.clip);
    } catch (error) {
      if (this.#open.get(path) === entry) this.#forget(path);
      throw error;
    } finally {
      entry.users--;
      entry.usedAt = performance.now();
      if (entry.users === 0 && this.#open.get(path) !== entry) entry.clip.dispose();
    }
  }

  dropOldest(): boolean {
    const [path] = this.#idle(Infinity);
    if (path !== undefined) this.#drop(path);
    return path !== undefined;
  }

  dropUnused(since: number): void {
    this.#idle(since).forEach((path) => this.#drop(path));
  }

  #idle(since: number): string[] {
    return this.#entries.keys().filter((path) => {
      const entry = this.#open.get(path);
      return entry !== undefined && entry.users === 0 && entry.usedAt < since;
    }).toArray();
  }

  async #load(path: string): Promise<Entry> {
    try {
      const entry = { clip: await Clip.open(this.gpu, path), users: 0, usedAt: performance.now() };
      this.#open.set(path, entry);
      return entry;
    } catch (error) {
      this.#entries.delete(path);
      throw error;
    }
  }

  #drop(path: string): void {
    this.#open.get(path)!.clip.dispose();
    this.#forget(path);
  }

  #forget(path: string): void {
    this.#open.delete(path);
    this.#entries.delete(path);
  }
}
