import assert from "node:assert/strict";
import {
  drawOptions,
  lookOf,
  mixOptions,
  originalOptions,
} from "../../../routes/ui/client/look.ts";

const NO_CLASSES = { w_count: 8, classes: 0, class: null };

Deno.test("lookOf() reads from the address how Explore draws, and drawOptions() asks for that", () => {
  const query = new URLSearchParams("seed=3&truncation=0.5&strength=0&mix=4&blend=x&class=2");
  const look = lookOf(query, NO_CLASSES);
  assert.deepEqual(drawOptions(look), {
    truncation: 0.5,
    strength: 0,
    blend: "x",
    blend_by: 0.5,
  });
  assert.deepEqual(originalOptions(look), { truncation: 0.5 });
  assert.deepEqual(mixOptions(look), { mix: 4, mix_from: 4 });
  assert.deepEqual(drawOptions(lookOf(new URLSearchParams(), NO_CLASSES)), {
    truncation: 0.7,
    strength: 1,
  });
});

Deno.test("lookOf() takes the class of the address, else the one adapted, else the first", () => {
  const classIn = (address: string, adapted: number | null) =>
    originalOptions(
      lookOf(new URLSearchParams(address), { w_count: 8, classes: 4, class: adapted }),
    ).class;
  assert.deepEqual([classIn("class=3", 2), classIn("", 2), classIn("", null)], [3, 2, 0]);
  assert.equal(drawOptions(lookOf(new URLSearchParams(), { ...NO_CLASSES, classes: 4 })).class, 0);
});
