/**
 * Runs the tests: `deno test` with their permission set and the arguments given, then one line
 * with the totals. Exit code 0 only where Deno succeeded and its report says that nothing failed.
 * With --browser before other arguments, runs those of the page in a browser instead.
 */
import { judge, totalsLine } from "./report.ts";

if (import.meta.main) Deno.exit(await runTests(Deno.args));

async function runTests(args: string[]): Promise<number> {
  let run = await denoTest(args);
  if (run.verdict === "crashed at exit") {
    console.error(
      "\nAll tests passed, then the process aborted (signal 6) while it was leaving: Mesa's " +
        "software driver frees a thread's state twice there. The run is repeated once.\n",
    );
    run = await denoTest(args);
  }
  if (run.totals === undefined) {
    console.error("\nCannot tell how the tests went: their process ended without a report.");
  } else {
    if (run.verdict !== "passed" && run.totals.failed === 0) {
      console.error("\nNo test failed, but the process of the tests did.");
    }
    console.log(`\n${totalsLine(run.totals)}`);
  }
  return run.verdict === "passed" ? 0 : 1;
}

/** One `deno test`, its output passed on as it comes. */
async function denoTest(args: string[]): Promise<ReturnType<typeof judge>> {
  const child = new Deno.Command("deno", {
    args: ["test", "-q", ...what(args)],
    cwd: `${import.meta.dirname}/..`,
    stdin: "null",
    stdout: "piped",
  }).spawn();

  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  return judge(output, await child.status);
}

function what([first, ...others]: string[]): string[] {
  // Playwright looks at more of the machine than the permission set of the others lets it.
  if (first === "--browser") return ["-A", ...others, "tests/browser/page.ts"];
  const given = first === undefined ? [] : [first, ...others];
  return ["-P=test", ...writablePlaces(), ...forDawn(), ...given];
}

/** Where temporary folders are made, if elsewhere than /tmp, which the permission set names. */
function writablePlaces(): string[] {
  const place = Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP");
  return place === undefined ? [] : [`--allow-write=${place}`];
}

/** What Dawn needs: it is a native library and in no lock file, as in `nada`. */
function forDawn(): string[] {
  if (Deno.env.get("NADA_GPU") !== "dawn") return [];
  return ["--allow-ffi", "--no-lock", "--preload=./tests/without_sanitizers.ts"];
}
