/**
 * Makes built/: the script of client/ as one file, and the style sheets as one. They are kept in the
 * repository, so that nothing has to be built before the service starts; a test tells when they are
 * older than their sources.
 */
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import { digestOfSources, SHEETS, sourcePath } from "./sources.ts";

if (import.meta.main) await build();

async function build(): Promise<void> {
  const { success, stderr } = await new Deno.Command("deno", {
    args: [
      ...["bundle", "--quiet", "--platform", "browser", "--minify"],
      ...["--output", sourcePath("built/page.js"), sourcePath("client/main.tsx")],
    ],
  }).output();
  if (!success) throw new Error(`Cannot bundle the page:\n${new TextDecoder().decode(stderr)}`);
  const sheets = await Promise.all(
    SHEETS.map((name) => Deno.readTextFile(sourcePath(`style/${name}.css`))),
  );
  await Deno.writeTextFile(sourcePath("built/page.css"), [uplotStyle, ...sheets].join("\n"));
  await Deno.writeTextFile(sourcePath("built/sources.sha256"), await digestOfSources());
}
