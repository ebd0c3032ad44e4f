import assert from "node:assert/strict";
import { judge } from "../../../../models/demo/eval/judgement.ts";

const good = { share: 0.9, style: 0.2, content: 0.9, diversity: 1 };

Deno.test("judge() is convinced where style, content and diversity reach the bar", () => {
  assert.equal(judge(good), "convincing");
  assert.equal(judge({ ...good, share: 0.7, content: 0.6, diversity: 1.3 }), "convincing");
});

Deno.test("judge() is partly convinced where one of the three falls short", () => {
  assert.equal(judge({ ...good, diversity: 0.5 }), "partly");
  assert.equal(judge({ ...good, diversity: 1.5 }), "partly");
  assert.equal(judge({ ...good, content: 0.1 }), "partly");
  assert.equal(judge({ ...good, share: 0.5 }), "partly");
});

Deno.test("judge() gives nothing for content and diversity without a style", () => {
  assert.equal(judge({ ...good, share: 0 }), "not yet convincing");
  assert.equal(judge({ ...good, content: 0.1, diversity: 0.3 }), "not yet convincing");
});
