import assert from "node:assert/strict";
import { demoLines } from "../../commands/demo.ts";
import type { Results } from "../../models/demo/eval/results.ts";
import { succeed } from "./run.ts";

const figures = { share: 0.914, style: 0.31, content: 0.75, diversity: 0.92 };

const everyCandidate = { before: figures, adapted: figures, global: figures, supervised: figures };

const RESULTS: Results = {
  nada: "0.0.0",
  created: "2026-11-23T00:00:00.000Z",
  generator: "",
  clip: "",
  steps: 20,
  batch: 2,
  lr: 0.01,
  samples: 64,
  seed: 1,
  classifier: { scenes: 1, accuracy: 1, fooled: { tinted: {}, recoloured: {} } },
  clipFigures: {
    scenes: 1,
    style: 1,
    attributes: {} as Results["clipFigures"]["attributes"],
    alignment: {},
  },
  styles: [{ style: "stone", source: "photo", target: "stone", figures: everyCandidate }],
};

Deno.test("demoLines() lists each target with its figures and a word of judgement", () => {
  const lines = demoLines(RESULTS, 80);
  const at = lines.findIndex((line) => line.startsWith("stone (stone statue, "));
  assert.equal(lines[at + 1], "  convincing: style 91.4 %, content 75.0 %, diversity 0.92");
  assert.ok(lines.some((line) => line.startsWith("neon (")));
  assert.ok(lines.every((line) => line.length <= 80));
});

Deno.test("demoLines() lists the targets without figures where nothing was measured", () => {
  const lines = demoLines(null, 80);
  assert.equal(lines.filter((line) => /^\S.* \(.*\)$/.test(line)).length, 7);
  assert.ok(lines.includes("charcoal drawing"));
});

Deno.test("nada demo lists the targets, as text and as JSON", async () => {
  const plain = await succeed("demo");
  assert.match(plain, /^oil painting \(/m);
  assert.ok((await Deno.stat(plain.match(/^Pictures: (.*)$/m)![1]!)).isFile);
  const { source, targets } = JSON.parse(await succeed("demo", "--json"));
  assert.equal(source, "photo");
  assert.equal(targets.length, 10);
  assert.deepEqual(Object.keys(targets[0]).slice(0, 3), ["target", "names", "judgement"]);
});
