import assert from "node:assert/strict";
import { fillTemplates, parseTemplates, TEMPLATES } from "../../../models/clip/templates.ts";

Deno.test("TEMPLATES are 79 different sentences with one place for the name", () => {
  assert.equal(TEMPLATES.length, 79);
  assert.equal(new Set(TEMPLATES).size, 79);
  for (const template of TEMPLATES) assert.equal(template.split("{}").length, 2, template);
});

Deno.test("fillTemplates() puts the name in every place, as it is", () => {
  assert.deepEqual(fillTemplates("$& boat", ["a {}.", "{} and {}"]), [
    "a $& boat.",
    "$& boat and $& boat",
  ]);
  assert.ok(fillTemplates("dog").includes("a photo of a dog."));
});

Deno.test("parseTemplates() takes one template a line, whatever the line ends", () => {
  const content = "\ufeffa photo of a {}.\r\n\r\n  the {} \n";
  assert.deepEqual(parseTemplates(content, "t.txt"), ["a photo of a {}.", "the {}"]);
});

Deno.test("parseTemplates() names the line that has no place for the name", () => {
  assert.throws(() => parseTemplates("a {}.\n\na photo", "t.txt"), {
    name: "UserError",
    message: /^Cannot use the templates of "t.txt": line 3, "a photo", has no "{}"/,
  });
});

Deno.test("parseTemplates() refuses a file without templates", () => {
  assert.throws(() => parseTemplates(" \n\n", "t.txt"), {
    name: "UserError",
    message: /^Cannot use the templates of "t.txt": it has none/,
  });
});
