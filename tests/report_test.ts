import assert from "node:assert/strict";
import { judge, totalsLine } from "./report.ts";

const OK = { success: true, signal: null };
const FAILED = { success: false, signal: null };
const ABORTED: { success: boolean; signal: Deno.Signal } = { success: false, signal: "SIGABRT" };

/** What `deno test` prints for two files of three and two tests, ending in `summary`. */
function output(summary: string): string {
  return `\x1b[38;5;245mrunning 3 tests from ./tests/a_test.ts\x1b[0m
dims() names the sizes ... \x1b[32mok\x1b[0m (1ms)
dims() refuses another rank ... ok (1ms)
matmul() needs a GPU ... ignored (0ms)
running 2 tests from ./tests/b_test.ts
a() is b ... ok (1ms)
a() is not c ... ok (1ms)

${summary}

`;
}

const CLEAN = output(
  "\x1b[32mok\x1b[0m | 4 passed | 0 failed | 1 ignored \x1b[38;5;245m(13ms)\x1b[0m",
);
const TOTALS = { passed: 4, failed: 0, skipped: 1 };

Deno.test("judge() passes a clean report of a process that succeeded", () => {
  assert.deepEqual(judge(CLEAN, OK), { verdict: "passed", totals: TOTALS });
});

Deno.test("judge() reads the totals of every form of summary", () => {
  const totals = (summary: string) => judge(output(summary), FAILED).totals;
  assert.deepEqual(totals("FAILED | 1 passed (3 steps) | 2 failed (1 step) (1m3s)"), {
    passed: 1,
    failed: 2,
    skipped: 0,
  });
  assert.deepEqual(
    totals("ok | 7 passed | 0 failed | 2 ignored (1 step) | 4 filtered out (3s)"),
    { passed: 7, failed: 0, skipped: 2 },
  );
});

Deno.test("judge() knows the crash at exit: aborted, complete, all passed", () => {
  assert.deepEqual(judge(CLEAN, ABORTED), { verdict: "crashed at exit", totals: TOTALS });
});

Deno.test("judge() fails an abort when a test failed", () => {
  const text = output("FAILED | 3 passed | 1 failed | 1 ignored (13ms)");
  assert.equal(judge(text, ABORTED).verdict, "failed");
});

Deno.test("judge() fails an abort when tests that were announced are not in the report", () => {
  const text = output("ok | 3 passed | 0 failed | 1 ignored (13ms)");
  assert.equal(judge(text, ABORTED).verdict, "failed");
});

Deno.test("judge() fails an abort in the middle, whatever the tests have printed", () => {
  const middle = `running 5 tests from ./tests/a_test.ts
ok | 5 passed | 0 failed (1ms)
------- output -------
`;
  assert.deepEqual(judge(middle, ABORTED), { verdict: "failed", totals: undefined });
});

Deno.test("judge() fails every other end of the process after a clean report", () => {
  assert.equal(judge(CLEAN, FAILED).verdict, "failed");
  assert.equal(judge(CLEAN, { success: false, signal: "SIGSEGV" }).verdict, "failed");
});

Deno.test("judge() fails a process that succeeded without a report", () => {
  assert.deepEqual(judge("", OK), { verdict: "failed", totals: undefined });
});

Deno.test("totalsLine() names what was skipped only where something was", () => {
  assert.equal(totalsLine({ passed: 12, failed: 1, skipped: 0 }), "12 passed, 1 failed");
  assert.equal(totalsLine(TOTALS), "4 passed, 0 failed, 1 skipped");
});
