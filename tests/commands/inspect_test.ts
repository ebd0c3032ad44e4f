import assert from "node:assert/strict";
import { render } from "../../commands/inspect.ts";
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { writeDelta } from "../../models/nada/delta.ts";
import { inspectFile } from "../../models/recognise.ts";
import { fixturePath, hasFixtures } from "../fixtures.ts";
import { temporaryFolder } from "../temporary.ts";
import { tinyTensors, writeTiny } from "../models/clip/tiny.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed } from "./run.ts";

/** A report as names and values; lines that continue a value are joined to it. */
function fieldsOf(report: string): Record<string, string> {
  const [fields = ""] = report.split("\n\n");
  return Object.fromEntries(
    fields.replaceAll(/\n +/g, " ").split("\n").map((line) => line.split(/ {2,}/, 2)),
  );
}

Deno.test({
  name: "nada inspect tells what each kind of model is",
  ignore: !hasFixtures,
  async fn() {
    const inspect = async (path: string) => fieldsOf(await succeed("inspect", fixturePath(path)));
    const generator = await inspect("stylegan2/generator_32.pt");
    assert.match(generator.Kind!, /^StyleGAN2 generator/);
    assert.equal(generator.Image, "32x32");
    assert.equal(generator.Latents, "z 32, w 32, w+ 8x32");
    assert.equal(generator.Mapping, "4 layers");
    assert.equal(generator.Channels, "32 at 4, 32 at 8, 24 at 16, 16 at 32");
    assert.equal(generator.Parameters, "60,515");
    assert.equal(generator.Format, "PyTorch archive (torch.save), 271.3 KiB");

    const clip = await inspect("clip/vit_b/huggingface");
    assert.equal(clip.Kind, "CLIP with a vision transformer, a Hugging Face CLIPModel");
    assert.equal(clip.Image, "48x48, patches of 8");
    assert.equal(clip["Image tower"], "2 layers, width 128, 2 heads, perceptron 512 (quick-gelu)");
    assert.equal(clip.Text, "77 tokens, vocabulary 49,408");
    assert.equal(clip.Features, "32");

    const archive = await inspect("clip/vit_a/small_vocab_jit.pt");
    assert.match(archive.Format!, /^TorchScript archive/);
    assert.equal(archive.Tensors, "77 (31 f32, 43 f16, 3 i64), 350,084 elements, 773.9 KiB");
    assert.equal(archive.Parameters, "350,081");
    const resnet = await inspect("clip/rn/jit.pt");
    assert.equal(resnet.Kind, "CLIP with a ResNet, OpenAI's names");
  },
});

Deno.test("nada inspect tells where a delta belongs", async () => {
  using folder = temporaryFolder();
  const path = folder.file("adapted.safetensors");
  await writeDelta(path, new Map([["input.input", { shape: [2], data: new Float32Array(2) }]]), {
    base: { file: "ffhq.pt", sha256: "ab".repeat(32) },
    config: { prompt: { source: "photo", target: "sketch" } },
  });
  const fields = fieldsOf(await succeed("inspect", path));
  assert.match(fields.Kind!, /^adapted generator/);
  assert.equal(fields.Prompt, '"photo" to "sketch"');
  assert.equal(
    fields.Base!.replace(" ", ""),
    `ffhq.pt, sha256 ${"ab".repeat(32)}`.replace(" ", ""),
  );
  const json = JSON.parse(await succeed("inspect", "--json", "--tensors", path));
  assert.equal(json.kind, "delta");
  assert.deepEqual(json.base, { file: "ffhq.pt", sha256: "ab".repeat(32) });
  assert.deepEqual(json.tensors, [{ name: "input.input", dtype: "f32", shape: [2], count: 2 }]);
});

Deno.test("nada inspect lists tensors it knows no model for, and states of runs", async () => {
  using folder = temporaryFolder();
  const path = folder.file("x.safetensors");
  const tensor = { shape: [2, 3], data: new Float32Array(6) };
  const many = Array.from({ length: 23 }, (_, i): [string, typeof tensor] => [`z.${i}`, tensor]);
  await writeSafetensors(path, many, { author: "me" });
  const report = await succeed("inspect", path);
  assert.equal(fieldsOf(report).Kind, "tensors, of no model that nada knows");
  assert.equal(fieldsOf(report).Metadata, "author me");
  assert.match(report, /\nz\.0 +f32 +2x3\n/);
  assert.match(report, /\nand 3 more, which --tensors lists$/);
  assert.doesNotMatch(await succeed("inspect", "--tensors", path), /more/);

  await writeSafetensors(path, many, { "nada.format": "resume", "nada.step": "120" });
  assert.equal(fieldsOf(await succeed("inspect", path)).Steps, "120 done");
});

Deno.test("nada inspect says why a model cannot be used", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"), (tensors) => {
    tensors.delete("to_rgbs.0.bias");
  });
  const fields = fieldsOf(await succeed("inspect", generator));
  assert.equal(fields.Kind, "a StyleGAN2 generator that nada cannot use");
  assert.match(fields.Reason!, /it lacks "to_rgbs\.0\.bias"/);
  const tensors = tinyTensors();
  tensors.delete("ln_final.bias");
  const clip = await writeTiny(folder.file("c.safetensors"), tensors);
  const json = JSON.parse(await succeed("inspect", "--json", clip));
  assert.equal(json.kind, "unusable");
  assert.match(json.reason, /"ln_final\.bias" is missing/);
});

Deno.test("nada inspect refuses what is no checkpoint, and folders of none", async () => {
  using folder = temporaryFolder();
  await Deno.writeTextFile(folder.file("notes.txt"), "hello");
  assert.match(await fail("inspect", folder.file("notes.txt")), /it is plain text/);
  assert.match(
    await fail("inspect", folder.path),
    /it is a folder, and not that of a Hugging Face/,
  );
  assert.match(await fail("inspect", folder.file("none.pt")), /there is no such file/);
});

Deno.test("nada inspect stays within its width and shows no control characters", async () => {
  using folder = temporaryFolder();
  const path = folder.file(`${"long name ".repeat(9)}.safetensors`);
  const scalar = { shape: [], data: new Float32Array(1) };
  await writeSafetensors(path, [["a\x1b[2Jb", scalar], ["n".repeat(200), scalar]], {
    note: "x\ry ".repeat(30),
  });
  const inspected = await inspectFile(path);
  for (const width of [40, 60, 80]) {
    const report = render(inspected, { tensors: true, width });
    assert.ok(report.split("\n").every((line) => line.length <= width), report);
    assert.doesNotMatch(report.replaceAll("\n", ""), /\p{Cc}/u);
  }
});
