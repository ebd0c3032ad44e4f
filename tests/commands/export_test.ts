import assert from "node:assert/strict";
import { openCheckpoint, sha256File } from "../../lib/checkpoint/mod.ts";
import { VERSION } from "../../lib/version.ts";
import { writeDelta } from "../../models/nada/delta.ts";
import { UPSAMPLING_KERNEL } from "../../models/stylegan2/architecture.ts";
import { fixturePath, hasFixtures } from "../fixtures.ts";
import { writeTiny } from "../models/clip/tiny.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

type Folder = ReturnType<typeof temporaryFolder>;

const CHANGED = ["convs.0.conv.weight", "to_rgbs.0.bias"];

/** A generator, a delta that turns some tensors around, and what it then is. */
async function models(folder: Folder) {
  const generator = await writeGenerator(folder.file("base.safetensors"));
  const other = await writeGenerator(folder.file("other.safetensors"), (tensors) => {
    CHANGED.forEach((name) => tensors.get(name)!.data.reverse());
  });
  const expected = await tensorsIn(other);
  const adapted = folder.file("adapted.safetensors");
  await writeDelta(adapted, new Map(CHANGED.map((name) => [name, expected[name]!])), {
    base: { file: generator, sha256: await sha256File(generator) },
    config: { prompt: { source: "a", target: "b" } },
  });
  return { generator, adapted, other, expected };
}

Deno.test("nada export writes base and delta as one, under the names of the layout", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, expected } = await models(folder);
  const args = ["--generator", generator, "--adapted", adapted];
  const out = folder.file("new/merged.pt");
  assert.match(await succeed("export", ...args, "--out", out), /^Written .*merged\.pt \(rosin/);
  const { latent_avg, ...others } = expected;
  const averaged = Object.entries(others).map(([name, tensor]) => [`g_ema.${name}`, tensor]);
  assert.deepEqual(await tensorsIn(out), { ...Object.fromEntries(averaged), latent_avg });
  {
    using checkpoint = await openCheckpoint(out);
    assert.equal(checkpoint.format, "torch zip");
  }

  const flat = folder.file("merged.safetensors");
  await succeed("export", ...args, "--out", flat, "--quiet");
  assert.deepEqual(await tensorsIn(flat), expected);

  const half = folder.file("half.pt");
  await succeed("export", ...args, "--strength", "0.5", "--out", half, "--quiet");
  const base = await tensorsIn(generator);
  const [moved] = CHANGED;
  const blended = (await tensorsIn(half))[`g_ema.${moved}`]!.data;
  blended.forEach((value, i) => {
    const middle = Math.fround((base[moved!]!.data[i]! + expected[moved!]!.data[i]!) / 2);
    assert.equal(value, middle);
  });
});

Deno.test("nada export --format hf writes a folder that nada takes as a generator", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, expected } = await models(folder);
  const out = folder.file("hub");
  const args = ["--generator", generator, "--adapted", adapted, "--out", out];
  const json = JSON.parse(await succeed("export", ...args, "--json"));
  assert.deepEqual([json.out, json.format, json.target], [out, "hf", "b"]);
  assert.deepEqual(
    [...Deno.readDirSync(out)].map(({ name }) => name).sort(),
    ["README.md", "config.json", "model.safetensors"],
  );
  assert.deepEqual(await tensorsIn(`${out}/model.safetensors`), expected);
  const { made_by, ...config } = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  assert.deepEqual(config, {
    model_type: "stylegan2",
    layout: "rosinality/stylegan2-pytorch",
    image_size: 8,
    z_dim: 6,
    w_dim: 5,
    mapping_layers: 2,
    channels: { 4: 7, 8: 5 },
  });
  assert.deepEqual(made_by, {
    nada: VERSION,
    generator: "base.safetensors",
    generatorSha256: await sha256File(generator),
    adapted: "adapted.safetensors",
    adaptedSha256: await sha256File(adapted),
    strength: 1,
    source: "a",
    target: "b",
  });
  assert.match(
    Deno.readTextFileSync(`${out}/README.md`),
    /^---\ntags: .*\n---\n\n# .* from "a" to/,
  );

  const sampled = async (path: string, ...more: string[]) => {
    const images = folder.file("images.safetensors");
    const options = ["--seeds", "3", "--out", images, "--overwrite", "--quiet"];
    await succeed("sample", "--generator", path, ...more, ...options);
    return (await tensorsIn(images)).images!.data;
  };
  assert.deepEqual(await sampled(out), await sampled(generator, "--adapted", adapted));
});

Deno.test({
  name: "nada convert writes StyleGAN3 where tensors alone tell all of it",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const drawn = async (path: string) => {
    const images = folder.file("images.safetensors");
    const options = ["--seeds", "3", "--out", images, "--overwrite", "--quiet"];
    await succeed("sample", "--generator", path, ...options);
    return (await tensorsIn(images)).images!.data;
  };
  const tensors = fixturePath("nvidia/sg3t_weights.safetensors");
  const hub = folder.file("hub");
  await succeed("convert", tensors, "--out", hub, "--quiet");
  assert.match(await succeed("diff", tensors, hub), /^0 of \d+ tensors differ$/);
  assert.deepEqual(await drawn(hub), await drawn(tensors));
  assert.equal(JSON.parse(Deno.readTextFileSync(`${hub}/config.json`)).model_type, "stylegan3");

  assert.match(
    await fail("convert", tensors, "--out", folder.file("sg3t.pt")),
    /not a StyleGAN2; pass --format safetensors or hf/,
  );
  // Its activations have another limit than NVIDIA's.
  const pickle = fixturePath("nvidia/sg3t.pkl");
  assert.match(
    await fail("convert", pickle, "--out", folder.file("sg3t.safetensors")),
    /its settings differ from NVIDIA's own/,
  );
});

Deno.test({
  name: "nada convert writes exactly the state dict that a strict load asks for",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  // Written by the code that would load it: its keys and shapes are what it is strict about.
  const reference = await tensorsIn(fixturePath("stylegan2/generator_32.pt"));
  const out = folder.file("out.pt");
  for (const source of ["stylegan2/generator_32.pt", "nvidia/sg2ada.pkl"]) {
    await succeed("convert", fixturePath(source), "--out", out, "--overwrite", "--quiet");
    const written = await tensorsIn(out);
    assert.deepEqual(Object.keys(written).sort(), Object.keys(reference).sort());
    // The other generator has other numbers of channels.
    if (source.endsWith(".pt")) assert.deepEqual(written, reference);
  }
});

Deno.test("nada export adds what a strict load asks for and a file may lack", async () => {
  using folder = temporaryFolder();
  const { other, expected } = await models(folder);
  const kernels = Object.keys(expected).filter((name) => name.endsWith(".kernel"));
  assert.ok(kernels.length > 0);
  const bare = await writeGenerator(folder.file("bare.safetensors"), (tensors) => {
    kernels.forEach((name) => tensors.delete(name));
    CHANGED.forEach((name) => tensors.get(name)!.data.reverse());
  });
  const out = folder.file("full.safetensors");
  await succeed("convert", bare, "--out", out, "--quiet");
  const tensors = await tensorsIn(out);
  assert.deepEqual(tensors, expected);
  for (const name of kernels) assert.deepEqual(tensors[name]!.data, UPSAMPLING_KERNEL);
  assert.match(await succeed("diff", other, out), /^0 of \d+ tensors differ$/);
});

Deno.test("nada export and convert refuse what does not fit, and leave nothing behind", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, other } = await models(folder);
  const clip = await writeTiny(folder.file("clip.safetensors"));
  const before = [...Deno.readDirSync(folder.path)].length;
  const out = folder.file("out.pt");
  const refused = async (message: RegExp, ...args: string[]) =>
    assert.match(await fail(...args), message);
  const base = ["--generator", generator];
  await refused(/--strength without --adapted/, "export", ...base, "--strength", "1", "--out", out);
  await refused(
    /made for another file/,
    "export",
    "--generator",
    other,
    ...["--adapted", adapted],
    ...["--out", out],
  );
  await refused(
    /the format hf to "\S+out\.pt": .*give --out a folder/,
    "export",
    ...base,
    "--format",
    "hf",
    "--out",
    out,
  );
  await refused(/it exists; .*--overwrite/, "export", ...base, "--out", generator);
  await refused(/merge the two with nada export/, "convert", adapted, "--out", out);
  await refused(/as rosinality: it is a CLIP model in a file/, "convert", clip, "--out", out);
  await refused(/there is no such file/, "convert", folder.file("none"), "--out", out);
  await refused(/required option '-o, --out <path>'/, "convert", generator);
  assert.equal([...Deno.readDirSync(folder.path)].length, before);
});

Deno.test({
  name: "nada convert writes CLIP models as safetensors that nada takes as they were",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const features = async (clip: string) => {
    const out = folder.file("features.safetensors");
    await succeed("clip", "--clip", clip, "--texts", "a", "--out", out, "--overwrite", "--quiet");
    return (await tensorsIn(out)).text_features!.data;
  };
  const jit = fixturePath("clip/rn/jit.pt");
  const file = folder.file("rn.safetensors");
  await succeed("convert", jit, "--out", file, "--quiet");
  assert.match(await succeed("diff", jit, file), /^0 of \d+ tensors differ/);
  const dtypes = async (path: string) => {
    using checkpoint = await openCheckpoint(path);
    const floats = checkpoint.tensors.values().filter(({ dtype }) => dtype.startsWith("f"));
    return new Map(floats.map(({ name, dtype }) => [name, dtype]));
  };
  assert.deepEqual(await dtypes(file), new Map([...await dtypes(jit)].sort()));

  const huggingface = fixturePath("clip/vit_b/huggingface");
  const copy = folder.file("copy");
  await succeed("convert", huggingface, "--out", copy, "--quiet");
  assert.deepEqual(await features(copy), await features(huggingface));
  assert.match(
    await fail("convert", huggingface, "--out", folder.file("one.safetensors")),
    /as safetensors: it is a CLIP model in a folder; give --out a folder/,
  );
});

Deno.test("nada diff says which layers differ, and by how much", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, other, expected } = await models(folder);
  const base = await tensorsIn(generator);
  const count = Object.keys(base).filter((name) => !name.endsWith(".kernel")).length;
  const text = await succeed("diff", generator, adapted);
  assert.match(text, new RegExp(`^2 of ${count} tensors differ, in 2 of \\d+ layers\\n\\nlayer`));
  const json = JSON.parse(await succeed("diff", generator, adapted, "--json"));
  const [weight] = CHANGED;
  const [a, b] = [base[weight!]!.data, expected[weight!]!.data];
  const differences = a.map((value, i) => b[i]! - value);
  const found = json.tensors.find(({ name }: { name: string }) => name === weight);
  assert.ok(Math.abs(found.relative - Math.hypot(...differences) / Math.hypot(...a)) < 1e-6);
  assert.ok(Math.abs(found.largest - Math.max(...differences.map(Math.abs))) < 1e-6);
  const layer = json.layers.find(({ layer }: { layer: string }) => layer === "convs.0");
  assert.deepEqual([layer.tensors, layer.changed], [5, 1]);
  assert.ok(layer.relative > 0 && layer.relative < found.relative);
  assert.deepEqual([json.onlyFirst, json.onlySecond, json.otherShape], [[], [], []]);
  assert.match(
    await succeed("diff", "--tensors", generator, adapted),
    /^tensor .*\nconvs\.0\.conv/m,
  );

  assert.match(await succeed("diff", other, adapted, "--generator", generator), /^0 of/);
  assert.match(await succeed("diff", adapted, adapted, "--generator", generator), /^0 of/);
  assert.match(await fail("diff", adapted, adapted), /pass the generator that it changes/);
  const clip = await writeTiny(folder.file("clip.safetensors"));
  assert.match(
    await succeed("diff", clip, generator),
    /^0 of 0 .*\n\nOnly in the first:\n(.*\n)+ {2}and \d+ more/,
  );
});
