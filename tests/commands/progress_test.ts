import assert from "node:assert/strict";
import { Progress, type ProgressScreen, StatusLine } from "../../commands/progress.ts";

/** A screen of so many columns, null for a file, with a clock that the test moves. */
function fakeScreen(columns: number | null) {
  const screen = {
    text: "",
    time: 0,
    columns: () => columns,
    write(text: string) {
      screen.text += text;
    },
    now: () => screen.time,
    /** What stands in the last line. */
    line: () => screen.text.split("\r").at(-1)!.replace("\x1b[K", ""),
  };
  return screen satisfies ProgressScreen & Record<string, unknown>;
}

Deno.test("Progress shows count, note, rate and remaining time beside a bar", () => {
  const screen = fakeScreen(80);
  const progress = new Progress({ total: 300, screen });
  assert.equal(screen.line(), `[${" ".repeat(30)}]  0/300`);
  screen.time = 500;
  progress.update(1, "loss 0.9987");
  assert.match(
    screen.line(),
    /^\[ {30}\] {2}1\/300 {2}loss 0\.9987 {2}2\.00 steps\/s {2}2:30 left$/,
  );
  screen.time = 75_000;
  progress.update(150, "loss 0.8000");
  assert.match(screen.line(), /^\[={15} {15}\] {2}150\/300/);
});

Deno.test("Progress never fills a line to its end, and drops the least important first", () => {
  for (let columns = 1; columns <= 100; columns++) {
    const screen = fakeScreen(columns);
    const progress = new Progress({ total: 300, screen });
    screen.time = 500;
    progress.update(1, "loss 0.9987");
    assert.ok(screen.line().length < columns, `${columns} columns: ${screen.line()}`);
    if (columns >= 10) assert.match(screen.line(), /1\/300/);
    if (columns >= 20) assert.match(screen.line(), /loss 0\.9987/);
    if (columns >= 45) assert.match(screen.line(), /2:30 left/);
    if (columns >= 60) assert.match(screen.line(), /2\.00 steps\/s/);
  }
});

Deno.test("Progress redraws a terminal at most ten times a second, and always at the end", () => {
  const screen = fakeScreen(80);
  const progress = new Progress({ total: 1000, screen });
  for (let done = 1; done <= 1000; done++) {
    screen.time += 1;
    progress.update(done);
  }
  assert.equal(screen.text.split("\r").length - 1, 1 + 10);
  assert.match(screen.line(), /^\[={30}\] {2}1000\/1000 {2}1000 steps\/s$/);
  progress.finish();
  progress.finish();
  assert.match(screen.text, /[^\n]\n$/);
});

Deno.test("Progress writes plain lines where there is no terminal: each tenth, or after 30 s", () => {
  const quick = fakeScreen(null);
  const images = new Progress({ total: 100, unit: "images", screen: quick });
  for (let done = 1; done <= 100; done++) {
    quick.time += 100;
    images.update(done, "loss 0.5");
  }
  images.finish();
  const lines = quick.text.trimEnd().split("\n");
  assert.equal(lines.length, 10);
  assert.equal(lines[0], "10/100 images  loss 0.5  10.0 images/s  9 s left");
  assert.equal(lines.at(-1), "100/100 images  loss 0.5  10.0 images/s");
  assert.doesNotMatch(quick.text.replaceAll("\n", ""), /\p{Cc}/u);

  const slow = fakeScreen(null);
  const steps = new Progress({ total: 1000, screen: slow });
  for (let done = 1; done <= 9; done++) {
    slow.time += 10_000;
    steps.update(done);
  }
  assert.equal(slow.text.trimEnd().split("\n").length, 3);
});

Deno.test("Progress counts the rate of a resumed run from where it began", () => {
  const screen = fakeScreen(80);
  const progress = new Progress({ total: 300, done: 200, screen });
  screen.time = 10_000;
  progress.update(210);
  assert.match(screen.line(), /210\/300 {2}1\.00 steps\/s {2}1:30 left/);
});

Deno.test("StatusLine replaces its text on a terminal, and writes the first one elsewhere", () => {
  const shown = (columns: number | null) => {
    const screen = fakeScreen(columns);
    const line = new StatusLine(screen);
    line.finish(); // nothing to end
    for (const text of ["0 of 10", "9 of 10", "10 of 10"]) line.show(text);
    line.finish();
    line.finish();
    return screen.text;
  };
  assert.equal(shown(80), "\r0 of 10\x1b[K\r9 of 10\x1b[K\r10 of 10\x1b[K\n");
  assert.equal(shown(8), "\r0 of 10\x1b[K\r9 of 10\x1b[K\r10 of 1\x1b[K\n");
  assert.equal(shown(null), "0 of 10\n");
});
