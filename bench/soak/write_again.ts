/** Replaces a file by one version after the other until it is killed. */
import { writeFileAtomic } from "../../lib/files.ts";

const [path, last] = Deno.args as [string, string];
for (let version = Number(last) + 1;; version++) {
  await writeFileAtomic(path, `${version}\n`.repeat(5000));
}
