/**
 * Which kernels were measured to be the fastest: by call, for one adapter, and kept in a file for
 * each adapter, driver and set of kernels:
 *
 *     XDG_CACHE_HOME/nada/kernels, else ~/.cache/nada/kernels; or where a service keeps its data
 *       9f86d081884c7d65.json   {"adapter":…,"driver":…,"fastest":{"matmul [5,7] [7,3] {}":…}}
 *
 * It only ever saves time: without a file, or with one that is no good, kernels are taken by what
 * they are counted to cost, and results are the same but for rounding.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cacheFolder } from "../cache_folder.ts";
import { writeFileAtomic } from "../files.ts";
import type { Gpu } from "../gpu/device.ts";
import { findDriver } from "../gpu/driver.ts";
import { PROVIDER_VARIABLE } from "../gpu/provider.ts";
import { registry } from "./op.ts";

const FILE = z.object({ fastest: z.record(z.string(), z.string()) });

const known = new WeakMap<Gpu, Promise<Tuning>>();

export class Tuning {
  private constructor(
    private readonly gpu: Gpu,
    private readonly folder: string | null,
    private readonly table: Map<string, string>,
  ) {}

  /**
   * What is known of a device, read on first use, which may name another folder to keep what is
   * measured in. What the usual one has is known all the same, and goes before.
   */
  static of(gpu: Gpu, folder: string | null = usualFolder()): Promise<Tuning> {
    const folders = new Set([folder, usualFolder()].filter((one) => one !== null));
    const tuning = known.get(gpu) ?? readTables(gpu, folders)
      .then((table) => new Tuning(gpu, folder, table));
    known.set(gpu, tuning);
    return tuning;
  }

  /** As in `Limits`. */
  readonly fastest = (call: string): string | undefined => this.table.get(call);

  add(call: string, kernel: string): void {
    this.table.set(call, kernel);
  }

  /** Writes the file, where that is allowed and possible; says whether it was. */
  async save(): Promise<boolean> {
    if (this.folder === null) return false;
    try {
      const { state } = await Deno.permissions.query({ name: "write", path: this.folder });
      if (state !== "granted") return false; // asked for it, a terminal would be asked in turn
      await Deno.mkdir(this.folder, { recursive: true });
      const { name, adapter, driver } = await identify(this.gpu);
      const fastest = Object.fromEntries([...this.table].sort());
      const text = JSON.stringify({ adapter, driver, fastest }, null, 2);
      await writeFileAtomic(join(this.folder, name), `${text}\n`);
      return true;
    } catch {
      return false; // whatever it is: the next process measures again
    }
  }
}

/** The usual folder of the files. */
export function tuningFolder(): string {
  return join(cacheFolder(), "kernels");
}

/** That folder, where a program may know it. */
function usualFolder(): string | null {
  try {
    return tuningFolder();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

/** What the files of a device say; later folders go before. */
async function readTables(gpu: Gpu, folders: Iterable<string>): Promise<Map<string, string>> {
  const table = new Map<string, string>();
  for (const folder of folders) {
    try {
      // Finding out which driver it is takes a while: only where there is something to find.
      if (!existsSync(folder)) continue;
      const { name } = await identify(gpu);
      const { fastest } = FILE.parse(JSON.parse(await Deno.readTextFile(join(folder, name))));
      for (const [call, kernel] of Object.entries(fastest)) table.set(call, kernel);
    } catch {
      continue; // missing, damaged or closed to us
    }
  }
  return table;
}

/** The name of a device's files, and what is told of it in them. */
async function identify(gpu: Gpu) {
  const driver = Deno.build.os === "linux" ? await findDriver(gpu.about) ?? null : null;
  const kernels = [...registry.values()].flatMap((op) => op.kind === "kernel" ? op.kernels : [])
    .map(({ name, source, consts }) => ({ name, source, consts }));
  const what = JSON.stringify({
    adapter: gpu.adapterName,
    kind: gpu.kind,
    driver,
    webgpu: [Deno.env.get(PROVIDER_VARIABLE), Deno.version.deno],
    kernels,
  });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(what));
  const name = `${new Uint8Array(digest).slice(0, 8).toHex()}.json`;
  return { name, adapter: gpu.adapterName, driver };
}
