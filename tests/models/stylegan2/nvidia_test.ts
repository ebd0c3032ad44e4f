import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { vjp } from "../../../lib/graph/grad.ts";
import { constant, input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { uploadGenerator } from "../../../models/generator/device.ts";
import { leavesOf } from "../../../models/generator/generator.ts";
import { broadcastW, truncate } from "../../../models/generator/styles.ts";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import { stylegan2 } from "../../../models/stylegan2/family.ts";
import { mapping, synthesis } from "../../../models/stylegan2/generator.ts";
import { renamed } from "../../../models/stylegan2/layouts.ts";
import { noisesOf } from "../../../models/stylegan2/noise.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, testGpu } from "../../gpu.ts";

const ignore = !hasFixtures;

// As for rosinality's code: float32 errors of both sides.
const FORWARD = 2e-6;
const GRADIENT = 1e-5;

async function load() {
  using checkpoint = await openCheckpoint(fixturePath("nvidia/sg2ada.pkl"));
  return uploadGenerator(await testGpu(), await readGenerator(checkpoint));
}

Deno.test({
  name: "synthesis() of sg2ada.pkl gives every image and layer of NVIDIA's code",
  ignore,
  async fn() {
    const { architecture: a, tensors } = await load();
    assert.deepEqual(
      a,
      architecture({ zSize: 32, wSize: 32, mappingDepth: 4, channels: [32, 32, 32, 24], limit: 2 }),
    );
    const expected = await fixture("nvidia/sg2ada_forward.safetensors");
    const given = (name: string) => constant(expected[name]!.data, expected[name]!.shape);
    const p = leavesOf(stylegan2(a));
    const image = (wPlus: Tensor, mode: "const" | "none" = "const") =>
      synthesis(p, a, wPlus, noisesOf(p, a, 2, { mode })).image;

    const ws = broadcastW(a, mapping(p, a, given("input.z")));
    const truncated = truncate(ws, state("latent_avg", [a.wSize]), constant(0.7));
    const whole = synthesis(p, a, ws, noisesOf(p, a, 2, { mode: "const" }));
    const outputs: Record<string, Tensor> = {
      ws,
      "ws_truncated_0.7": truncated,
      image: whole.image,
      "image_truncated_0.7": image(truncated),
      image_from_ws_input: image(given("ws_input")),
      image_noise_none: image(ws, "none"),
    };
    const actual = await evaluate({ ...outputs, ...whole.layers }, {}, tensors);
    for (const name of Object.keys(outputs)) {
      const error = assertClose(actual[name]!, expected[name]!.data, FORWARD, name);
      console.log(`${name}: ${error.toExponential(1)}`);
    }
    // The fixture has the first channels of the first sample.
    a.rgbs.forEach(({ name, resolution }, block) => {
      const conv = a.convs.findLast((layer) => layer.resolution === resolution)!.name;
      for (const [layer, part] of [[conv, "x"], [name, "img"]] as const) {
        const { data } = expected[`layer.b${resolution}.${part}`]!;
        assertClose(actual[layer]!.subarray(0, data.length), data, FORWARD, `${block} ${part}`);
      }
    });
  },
});

for (const from of ["ws", "z"] as const) {
  Deno.test({
    name: `synthesis() of sg2ada.pkl has all gradients of NVIDIA's code, from ${from}`,
    ignore,
    async fn() {
      const { architecture: a, tensors } = await load();
      const values = await fixture("nvidia/sg2ada_forward.safetensors");
      const expected = await fixture("nvidia/sg2ada_gradients.safetensors");
      const { shape, data } = values[from === "z" ? "input.z" : "ws_input"]!;
      const leaf = input("latent", shape);
      const p = leavesOf(stylegan2(a));
      const wPlus = from === "ws" ? leaf : truncate(
        broadcastW(a, mapping(p, a, leaf)),
        state("latent_avg", [a.wSize]),
        constant(0.7),
      );
      const { image } = synthesis(p, a, wPlus, noisesOf(p, a, 2, { mode: "const" }));

      const prefix = `from_${from}.grad`;
      const theirs = await theirNames();
      const names = Object.keys(p).filter((name) => `${prefix}.${theirs(name)}` in expected);
      const stored = Object.keys(expected).filter((name) => name.startsWith(`${prefix}.`));
      assert.equal(names.length, stored.length);
      const cotangent = constant(expected.cotangent!.data, image.shape);
      const [toLatent, ...toParameters] = vjp(image, cotangent, [
        leaf,
        ...names.map((name) => p[name]!),
      ]);
      const actual = await evaluate(
        { [`${prefix}_input`]: toLatent!, ...byName(names, prefix, theirs, toParameters) },
        { latent: data },
        tensors,
      );
      for (const [name, gradient] of Object.entries(actual)) {
        const error = assertClose(gradient, expected[name]!.data, GRADIENT, name);
        console.log(`${name}: ${error.toExponential(1)}`);
      }
    },
  });
}

/** Our names as NVIDIA's. */
async function theirNames(): Promise<(name: string) => string> {
  using checkpoint = await openCheckpoint(fixturePath("nvidia/sg2ada.pkl"));
  const { fullName } = renamed(checkpoint)!;
  return (name) => fullName(name).replace("G_ema.", "");
}

function byName(
  names: readonly string[],
  prefix: string,
  theirs: (name: string) => string,
  gradients: readonly Tensor[],
): Record<string, Tensor> {
  return Object.fromEntries(names.map((name, i) => [`${prefix}.${theirs(name)}`, gradients[i]!]));
}
