import assert from "node:assert/strict";
import { FACTS } from "../../../routes/ui/facts.ts";
import { OPTIONS, pathOf } from "../../../routes/ui/client/options.ts";
import type { AdaptationRequest as Asked } from "../../../routes/ui/client/types.ts";
import { createLink, requestOf } from "../../../routes/ui/client/wish.ts";
import { AdaptationRequest } from "../../../service/adaptation_request.ts";

/** Fields of a request that have controls of their own, and those that programs alone use. */
const OTHERS = [
  "name",
  "source",
  "target",
  "generator",
  "class",
  "start_from",
  "style_from",
  "clip",
]
  .concat("webhook");

const readLink = (link: string) =>
  requestOf(new URLSearchParams(link.split("?")[1]), { generator: "", clip: "", steps: 300 });

Deno.test("The page has every option of an adaptation once, with its default and a line of help", () => {
  const inDrawer = OPTIONS.map((option) => pathOf(option)[0]!);
  assert.deepEqual(
    [...new Set([...inDrawer, ...OTHERS])].sort(),
    Object.keys(AdaptationRequest.shape).sort(),
  );
  assert.equal(new Set(OPTIONS.map(({ name }) => name)).size, OPTIONS.length);
  for (const { name, help, kind, otherwise } of OPTIONS) {
    assert.ok(help.length > 10, name);
    for (const defaults of [FACTS.demo, FACTS.others]) {
      assert.ok(otherwise ?? defaults[name] !== undefined, `default of ${name}`);
    }
    if (kind === "choice") assert.ok(FACTS.choices[name]!.length > 0, name);
  }
});

Deno.test("createLink() and requestOf() give every setting of an adaptation back", () => {
  const asked = {
    source: "a & b",
    target: [{ text: "c = d", weight: 1 }, { text: "e+f", weight: 0.25 }],
    generator: "small",
    class: 3,
    clip: [{ name: "one", weight: 1 }, { name: "two", weight: 0.5 }],
    start_from: "0b9f3c1e-5d1a-4d0e-9c58-0e8f3b7f2d11",
    steps: 7,
    batch: 3,
    lr: 0.001,
    seed: 9,
    noise: "const",
    mixing: 0.5,
    augmentation: "perspective",
    text_weight: 0.25,
    lambdas: { direction: 1, global: 0, patch: 2, manifold: 0.5 },
    direction_loss: "projection",
    frozen_adam: "decay",
    auto_layers: { count: 3, iterations: 2, batch: 4, every: 5 },
    phase: "shape",
    train_params: "shift",
    train_layers: ["convs.0", "conv1"],
    stop_on: "plateau",
    preview_every: 0,
    preview_count: 2,
    preview_truncation: 0,
    priority: -1,
  };
  const wish = readLink(createLink(asked as Asked, null));
  assert.deepEqual(wish, asked);
  assert.deepEqual(AdaptationRequest.parse(wish), asked);
});

Deno.test("createLink() leaves out what was not asked for, and names where pictures are", () => {
  const asked = { target: "stone", generator: "demo", clip: "demo", steps: 35, name: "Statues" };
  const pictures = "0b9f3c1e-5d1a-4d0e-9c58-0e8f3b7f2d11";
  const wish = readLink(createLink(asked, pictures));
  assert.deepEqual(wish, {
    target: "stone",
    generator: "demo",
    clip: "demo",
    steps: 35,
    preview_every: 4,
    style_from: pictures,
  });
});
