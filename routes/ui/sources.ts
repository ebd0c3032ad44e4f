/** What built/ is made of. */
import { createHash } from "node:crypto";
import { join } from "node:path";

const FOLDER = import.meta.dirname!;

/** Style sheets in the order in which they hold. */
export const SHEETS = ["base", "controls", "layout", "views"];

export const sourcePath = (name: string) => join(FOLDER, name);

/** A digest of every source, its name included. */
export async function digestOfSources(): Promise<string> {
  const names = (await filesBelow("client")).concat(await filesBelow("style")).sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\0${await Deno.readTextFile(sourcePath(name))}\0`);
  return hash.digest("hex");
}

async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(sourcePath(folder))) {
    const path = `${folder}/${name}`;
    names.push(...isDirectory ? await filesBelow(path) : [path]);
  }
  return names;
}
