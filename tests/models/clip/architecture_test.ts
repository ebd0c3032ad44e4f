import assert from "node:assert/strict";
import { configuredSettings, openaiSettings } from "../../../models/clip/architecture.ts";

const settings = (vision_config: unknown) =>
  configuredSettings({ model_type: "clip", vision_config }, "image", 96, "m.safetensors");

Deno.test("configuredSettings() takes heads, activation and epsilon, or Hugging Face's defaults", () => {
  assert.deepEqual(
    settings({ num_attention_heads: 3, hidden_act: "gelu", layer_norm_eps: 1e-6 }),
    { heads: 3, activation: "gelu", epsilon: 1e-6 },
  );
  assert.deepEqual(settings({}), { heads: 12, activation: "quick_gelu", epsilon: 1e-5 });
  const text = configuredSettings({ model_type: "clip" }, "text", 64, "m.safetensors");
  assert.equal(text.heads, 8);
});

Deno.test("configuredSettings() names the field that cannot be used", () => {
  const cases = [
    ["num_attention_heads", 5, /"num_attention_heads" in "vision_config"; a divisor of .* 96/],
    ["num_attention_heads", "12", /has "12" for "num_attention_heads"/],
    ["hidden_act", "silu", /"silu" for "hidden_act".* "quick_gelu" or "gelu" was expected/],
    ["layer_norm_eps", -1, /-1 for "layer_norm_eps".* a number between 0 and 1 was expected/],
  ] as const;
  for (const [name, value, message] of cases) {
    assert.throws(() => settings({ [name]: value }), { name: "CheckpointError", message });
  }
});

Deno.test("configuredSettings() refuses other model types", () => {
  for (const config of [{ model_type: "siglip" }, {}, [], null, "clip"]) {
    assert.throws(() => configuredSettings(config, "image", 96, "m.safetensors"), {
      name: "CheckpointError",
      message: /the model_type (undefined|"siglip"); "clip" was expected/,
    });
  }
});

Deno.test("openaiSettings() has heads of width 64 and refuses other widths", () => {
  assert.deepEqual(openaiSettings("text", 512, "m.pt"), {
    heads: 8,
    activation: "quick_gelu",
    epsilon: 1e-5,
  });
  assert.throws(() => openaiSettings("image", 100, "m.pt"), {
    name: "CheckpointError",
    message: /its image tower is 100 wide; a multiple of 64/,
  });
});
