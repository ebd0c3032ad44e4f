/** How many tests of a run came out which way. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Outcome {
  verdict: "passed" | "failed" | "crashed at exit";
  /** Absent where the output ends without a report. */
  totals: Totals | undefined;
}

/**
 * What the output of `deno test` and the way its process ended amount to.
 *
 * "crashed at exit" is one known case and nothing near it: on Mesa's software driver about one run
 * in fifty is aborted (signal 6) after all its tests, because the thread of a test file ends while
 * the main thread runs exit handlers, and libxml2, behind Mesa's LLVM, frees thread state twice. It
 * takes a report that is complete and clean; an abort with anything missing from it is a failure.
 */
export function judge(
  output: string,
  status: Pick<Deno.CommandStatus, "success" | "signal">,
): Outcome {
  const text = withoutColours(output);
  const totals = readTotals(text);
  const clean = totals !== undefined && totals.failed === 0;
  if (clean && status.success) return { verdict: "passed", totals };
  if (clean && status.signal === "SIGABRT" && announced(text) === totals.passed + totals.skipped) {
    return { verdict: "crashed at exit", totals };
  }
  return { verdict: "failed", totals };
}

/** "12 passed, 0 failed", and what was skipped if anything was. */
export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** As in "ok | 12 passed (3 steps) | 0 failed | 1 ignored | 4 filtered out (3s)". */
const SUMMARY = new RegExp(
  String
    .raw`^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?` +
    String.raw`(?: \| (\d+) ignored(?: \(\d+ steps?\))?)?(?: \| \d+ measured)?` +
    String.raw`(?: \| \d+ filtered out)? \([^)]+\)$`,
);

/** From the summary, which has to be the last line: what a test prints never is. */
function readTotals(text: string): Totals | undefined {
  const [, passed, failed, skipped = "0"] = SUMMARY.exec(text.trimEnd().split("\n").at(-1)!) ?? [];
  if (passed === undefined || failed === undefined) return undefined;
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

/** How many tests the files announced, each in a line as "running 3 tests from ./tests/a_test.ts". */
function announced(text: string): number {
  return [...text.matchAll(/^running (\d+) tests? from /gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

function withoutColours(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\x1b\[[0-9;]*m/g, "");
}
