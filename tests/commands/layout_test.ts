import assert from "node:assert/strict";
import {
  fieldLines,
  formatBytes,
  formatCount,
  formatDuration,
  printable,
  shorten,
} from "../../commands/layout.ts";

Deno.test("fieldLines() wraps long values under the first column of values", () => {
  const lines = fieldLines([["File", "x.pt"], ["Kind", "one two three four five six"]], 26);
  assert.deepEqual(lines, ["File  x.pt", "Kind  one two three four", "      five six"]);
});

Deno.test("fieldLines() breaks a word that is longer than a line", () => {
  const lines = fieldLines([["File", "a".repeat(50)]], 30);
  assert.deepEqual(lines.map((line) => line.length), [30, 30, 8]);
  assert.equal(lines.map((line) => line.slice(6)).join(""), "a".repeat(50));
});

Deno.test("printable() leaves nothing that steers a terminal", () => {
  assert.equal(printable("a\x1b[2Jb\r\nc\u009b"), "a\ufffd[2Jb\ufffd\ufffdc\ufffd");
});

Deno.test("formatBytes(), formatCount() and formatDuration() are short and exact enough", () => {
  assert.deepEqual([0, 1023, 1024, 277763, 5 * 2 ** 30].map(formatBytes), [
    "0 bytes",
    "1023 bytes",
    "1.0 KiB",
    "271.3 KiB",
    "5.0 GiB",
  ]);
  assert.deepEqual([0, 999, 1000, 30370219].map(formatCount), ["0", "999", "1,000", "30,370,219"]);
  assert.deepEqual([0, 6.2, 59.5, 187, 3753].map(formatDuration), [
    "0 s",
    "7 s",
    "1:00",
    "3:07",
    "1:02:33",
  ]);
});

Deno.test("shorten() keeps what fits and marks what it cuts", () => {
  assert.deepEqual([shorten("abcd", 4), shorten("abcde", 4), shorten("abc", 0)], [
    "abcd",
    "abc…",
    "…",
  ]);
});
