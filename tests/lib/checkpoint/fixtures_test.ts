import assert from "node:assert/strict";
import { type Checkpoint, openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";

const ignore = !hasFixtures;

function open(relative: string): Promise<Checkpoint> {
  return openCheckpoint(fixturePath(relative));
}

/** Bit for bit, so that -0 and rounding count. */
function assertSameBits(a: Float32Array, b: Float32Array, label: string): void {
  assert.equal(a.length, b.length, label);
  const bits = [a, b].map((x) => new Uint32Array(x.buffer, x.byteOffset, x.length));
  const wrong = bits[0]!.findIndex((x, i) => x !== bits[1]![i]);
  assert.equal(wrong, -1, `${label} differs at element ${wrong}: ${a[wrong]}, ${b[wrong]}`);
}

for (const name of ["stylegan2/generator_32", "training/train_start"]) {
  Deno.test({
    name: `openCheckpoint() reads ${name}.pt as its safetensors twin, bit for bit`,
    ignore,
    async fn() {
      using checkpoint = await open(`${name}.pt`);
      const twin = await fixture(`${name}.safetensors`);
      assert.equal(checkpoint.format, "torch zip");
      for (const [key, { shape, data }] of Object.entries(twin)) {
        // The generator's parameters lie under "g_ema", what goes with them beside it.
        const tensor = checkpoint.tensors.get(`g_ema.${key}`) ?? checkpoint.tensors.get(key)!;
        assert.equal(tensor.dtype, "f32");
        assert.deepEqual(tensor.shape, shape);
        assertSameBits(await tensor.read(), data, key);
      }
      const extra = checkpoint.tensors.keys()
        .filter((key) => !(key.replace("g_ema.", "") in twin)).toArray();
      assert.deepEqual(extra, name === "training/train_start" ? ["latent_avg"] : []);
    },
  });
}

Deno.test({
  name: "openCheckpoint() gives a rosinality generator its nested names and shapes",
  ignore,
  async fn() {
    using checkpoint = await open("stylegan2/generator_32.pt");
    assert.equal(checkpoint.tensors.size, 74);
    const { shape, count, sizeBytes } = checkpoint.tensors.get("g_ema.conv1.conv.weight")!;
    assert.deepEqual([shape, count, sizeBytes], [[1, 32, 32, 3, 3], 9216, 36864]);
    assert.deepEqual(checkpoint.tensors.get("latent_avg")!.shape, [32]);
  },
});

const ARCHIVES = [
  { folder: "clip/rn", jit: "jit.pt", tensors: 213, vocabulary: 600 },
  { folder: "clip/vit_a", jit: "small_vocab_jit.pt", tensors: 74, vocabulary: 49408 },
];
for (const { folder, jit, tensors, vocabulary } of ARCHIVES) {
  Deno.test({
    name: `openCheckpoint() finds in ${folder}/${jit}, a TorchScript archive, its state dict`,
    ignore,
    async fn() {
      using script = await open(`${folder}/${jit}`);
      using dict = await open(`${folder}/state_dict.pt`);
      assert.equal(script.format, "torchscript");
      assert.equal(dict.format, "torch zip");
      assert.equal(dict.tensors.size, tensors);
      assert.deepEqual(dict.tensors.get("token_embedding.weight")!.shape, [vocabulary, 64]);
      assert.deepEqual(script.tensors.get("token_embedding.weight")!.shape, [600, 64]);

      const added = new Set(script.tensors.keys()).difference(new Set(dict.tensors.keys()));
      assert.deepEqual(added, new Set(["input_resolution", "context_length", "vocab_size"]));
      assert.deepEqual([...await script.tensors.get("input_resolution")!.read()], [64]);
      assert.deepEqual(script.tensors.get("vocab_size")!.shape, []);
      assert.equal(script.tensors.get("vocab_size")!.dtype, "i64");
      assert.equal(script.values.get("visual.conv1.training"), false);

      for (const [name, tensor] of dict.tensors) {
        const other = script.tensors.get(name)!;
        // The archive has the first 600 words only.
        const data = (await tensor.read()).subarray(0, other.count);
        assertSameBits(await other.read(), data, name);
        if (name !== "token_embedding.weight") {
          assert.deepEqual([other.dtype, other.shape], [tensor.dtype, tensor.shape], name);
        }
      }
      assert.equal(dict.tensors.get("visual.conv1.weight")!.dtype, "f16");
      assert.equal(dict.tensors.get("ln_final.weight")!.dtype, "f32");
    },
  });
}

Deno.test({
  name: "openCheckpoint() reads Hugging Face's CLIP with its mixed types",
  ignore,
  async fn() {
    using checkpoint = await open("clip/vit_b/huggingface/model.safetensors");
    assert.equal(checkpoint.format, "safetensors");
    const positions = checkpoint.tensors.get("text_model.embeddings.position_ids")!;
    assert.deepEqual([positions.dtype, positions.shape], ["i64", [1, 77]]);
    assert.deepEqual([...await positions.read()], Array.from({ length: 77 }, (_, i) => i));
    const patch = checkpoint.tensors.get("vision_model.embeddings.patch_embedding.weight")!;
    assert.deepEqual(patch.shape, [128, 3, 8, 8]);
  },
});

Deno.test({
  name: "openCheckpoint() opens every safetensors fixture, and all values are finite",
  ignore,
  async fn() {
    const files = [...Deno.readDirSync(fixturePath("."))].filter((entry) => entry.isDirectory)
      .flatMap(({ name }) =>
        [...Deno.readDirSync(fixturePath(name))].map((e) => `${name}/${e.name}`)
      )
      .filter((name) => name.endsWith(".safetensors"));
    assert.ok(files.length > 15);
    for (const file of files) {
      for (const [name, { shape, data }] of Object.entries(await fixture(file))) {
        assert.equal(data.length, shape.reduce((a, b) => a * b, 1), `${file} ${name}`);
        assert.ok(data.every(Number.isFinite), `${file} ${name}`);
      }
    }
  },
});

Deno.test({
  name: "fixtureJson() reads what a checkpoint's shapes have to agree with",
  ignore,
  async fn() {
    const { style_dim } = await fixtureJson<{ style_dim: number }>("stylegan2/generator_32.json");
    using checkpoint = await open("stylegan2/generator_32.pt");
    assert.deepEqual(checkpoint.tensors.get("g_ema.style.1.weight")!.shape, [style_dim, style_dim]);
  },
});

for (const name of ["sg2ada", "sg3t", "sg3r"]) {
  Deno.test({
    name: `openCheckpoint() reads G_ema of nvidia/${name}.pkl as its state dict, bit for bit`,
    ignore,
    async fn() {
      using checkpoint = await open(`nvidia/${name}.pkl`);
      const twin = await fixture(`nvidia/${name}_weights.safetensors`);
      assert.equal(checkpoint.format, "pickle");
      const names = checkpoint.tensors.keys().filter((key) => key.startsWith("G_ema.")).toArray();
      assert.deepEqual(names, Object.keys(twin).map((key) => `G_ema.${key}`));
      for (const [key, { shape, data }] of Object.entries(twin)) {
        const tensor = checkpoint.tensors.get(`G_ema.${key}`)!;
        assert.deepEqual(tensor.shape, shape, key);
        assertSameBits(await tensor.read(), data, key);
      }
    },
  });

  Deno.test({
    name: `openCheckpoint() gives what the modules of nvidia/${name}.pkl were made with`,
    ignore,
    async fn() {
      const about = await fixtureJson<Record<string, unknown>>(`nvidia/${name}.json`);
      using checkpoint = await open(`nvidia/${name}.pkl`);
      const { className, args, kwargs } = checkpoint.modules.get("G_ema")!;
      assert.deepEqual([className, args], ["Generator", []]);
      assert.deepEqual(kwargs, about.constructor);
      assert.equal(checkpoint.modules.get("G_ema.synthesis")!.attributes.num_ws, about.num_ws);
      assert.equal(checkpoint.modules.get("G")!.className, "Generator");
      assert.equal(checkpoint.modules.get("D")!.className, "Discriminator");
      assert.equal(checkpoint.values.get("training_set_kwargs.resolution"), 32);
    },
  });
}

Deno.test({
  name: "openCheckpoint() gives what a layer of nvidia/sg2ada.pkl was made with",
  ignore,
  async fn() {
    using checkpoint = await open("nvidia/sg2ada.pkl");
    const { className, args, kwargs, attributes } = checkpoint.modules
      .get("G_ema.synthesis.b32.conv0")!;
    assert.equal(className, "SynthesisLayer");
    assert.deepEqual(args, [32, 24]);
    assert.deepEqual(kwargs.resample_filter, [1, 3, 3, 1]);
    // One is a number of NumPy's.
    assert.deepEqual([attributes.conv_clamp, attributes.act_gain], [2, Math.SQRT2]);
  },
});
