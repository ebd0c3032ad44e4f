import assert from "node:assert/strict";
import { formatSeeds, printedShort } from "../../commands/eval_report.ts";
import { sha256File, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { decodePng, imagesFromTensor } from "../../lib/image/mod.ts";
import { VERSION } from "../../lib/version.ts";
import { writeDelta } from "../../models/nada/delta.ts";
import { cosineDistances, diversity as diversityOf } from "../../models/nada/eval/diversity.ts";
import { observerNames } from "../../models/nada/eval/mod.ts";
import { parseSeeds } from "../../models/generator/latents.ts";
import { assertClose } from "../assert.ts";
import { tinyResNetTensors, writeTiny } from "../models/clip/tiny.ts";
import { madeUpLpips, referenceLpips } from "../models/lpips/made_up.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

type Folder = ReturnType<typeof temporaryFolder>;

const LAYERS = ["convs.0.conv.weight", "to_rgbs.0.bias"];

/** A generator, a delta of it, and templates that the tiny CLIP can read. */
async function models(
  folder: Folder,
  config: unknown = { prompt: { source: "a", target: "b" } },
  channels?: number[],
) {
  const generator = await writeGenerator(folder.file("g.safetensors"), undefined, channels);
  const reverse = (tensors: Map<string, { data: Float32Array }>) =>
    LAYERS.forEach((name) => tensors.get(name)!.data.reverse());
  const other = await writeGenerator(folder.file("other.safetensors"), reverse, channels);
  const changed = await tensorsIn(other);
  const adapted = folder.file("adapted.safetensors");
  await writeDelta(adapted, new Map(LAYERS.map((name) => [name, changed[name]!])), {
    base: { file: generator, sha256: await sha256File(generator) },
    config,
  });
  const clip = await writeTiny(folder.file("clip.safetensors"));
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n{} c\n");
  return { generator, adapted, clip, templates };
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const unit = (vector: ArrayLike<number>) => {
  const length = Math.hypot(...Array.from(vector));
  return Array.from(vector, (value) => value / length);
};
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, k) => sum + value * b[k]!, 0);
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, k) => value - b[k]!);

Deno.test("nada eval gives the figures that follow from nada sample and nada clip", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, clip, templates } = await models(folder);
  const seeds = ["--seeds", "5-24,3"];
  const common = ["--generator", generator, "--truncation", "0.8", ...seeds];
  const args = ["--adapted", adapted, "--clip", clip, "--templates", templates];
  await succeed("eval", ...common, ...args, "--quiet");
  const report = JSON.parse(await Deno.readTextFile(folder.file("eval/eval.json")));

  const features = async (...more: string[]) => {
    const [images, out] = [folder.file("i.safetensors"), folder.file("f.safetensors")];
    await succeed("sample", ...common, ...more, "--out", images, "--overwrite", "--quiet");
    const texts = ["a", "a c", "b", "b c"];
    const options = ["--images", images, "--texts", ...texts, "--out", out, "--overwrite"];
    await succeed("clip", "--clip", clip, ...options, "--quiet");
    const { image_features, text_features } = await tensorsIn(out);
    const rows = ({ shape: [n], data }: { shape: number[]; data: Float32Array }) =>
      Array.from({ length: n! }, (_, i) => unit(data.slice(3 * i, 3 * i + 3)));
    return { images: rows(image_features!), texts: rows(text_features!) };
  };
  const { images: before, texts } = await features();
  const { images: after } = await features("--adapted", adapted);
  const middle = (a: readonly number[], b: readonly number[]) => a.map((x, k) => (x + b[k]!) / 2);
  const [from, to] = [middle(texts[0]!, texts[1]!), middle(texts[2]!, texts[3]!)];
  const direction = unit(minus(to, from));
  const agreement = before.map((vector, i) => dot(unit(minus(after[i]!, vector)), direction));
  const kept = before.map((vector, i) => dot(vector, after[i]!));

  const [figures] = report.clips;
  assert.equal(figures.clip, "clip.safetensors");
  assert.equal(figures.clipSha256, await sha256File(clip));
  const pairs: [unknown, number][] = [
    [figures.directionAgreement.mean, mean(agreement)],
    [figures.directionAgreement.worst, Math.min(...agreement)],
    [figures.contentKept.mean, mean(kept)],
    [figures.contentKept.worst, Math.min(...kept)],
    [figures.targetSimilarity.before, mean(before.map((vector) => dot(vector, unit(to))))],
    [figures.targetSimilarity.after, mean(after.map((vector) => dot(vector, unit(to))))],
  ];
  // Directions are differences of nearby features in float32.
  for (const [given, wanted] of pairs) assertClose([given as number], [wanted], 1e-4);
  const { diversity, sharpness } = { ...figures, ...report };
  assertClose([diversity.ratio], [diversity.after / diversity.before], 1e-12);
  assert.ok(diversity.before > 0 && sharpness.before > 0 && sharpness.ratio > 0);

  const order = agreement.map((value, i) => ({ value, seed: i < 20 ? i + 5 : 3 }))
    .sort((a, b) => b.value - a.value);
  assert.deepEqual(
    report.examples.map(({ rank, seed }: { rank: string; seed: number }) => [rank, seed]),
    [["best", order[0]!.seed], ["median", order[10]!.seed], ["worst", order[20]!.seed]],
  );
  assert.equal(report.lpips, null);
  const { clips: _, sharpness: __, examples: ___, lpips: ____, ...about } = report;
  assert.deepEqual(about, {
    nada: VERSION,
    source: "a",
    target: "b",
    truncation: 0.8,
    clipResize: "bicubic",
    templates: "templates.txt",
    generator: "g.safetensors",
    generatorSha256: await sha256File(generator),
    adapted: "adapted.safetensors",
    adaptedSha256: await sha256File(adapted),
    samples: 21,
    seeds: "5-24,3",
    noise: "const",
    clusters: { method: "k-medoids", k: 10, seed: 0, distance: "1 - cosine" },
  });
  const picture = await Deno.readFile(folder.file("eval/samples.png"));
  const { text } = decodePng(picture, "samples.png");
  assert.equal(text.Prompt, "a to b");
  assert.equal(text.Seed, report.examples.map(({ seed }: { seed: number }) => seed).join(", "));
});

Deno.test("nada eval prints a table for several models within 80 columns, or JSON", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, clip, templates } = await models(folder);
  const resnet = await writeTiny(folder.file("resnet.safetensors"), tinyResNetTensors());
  const out = folder.file("out");
  const args = ["--generator", generator, "--adapted", adapted, "--templates", templates];
  const options = [...args, "--clip", clip, resnet, "--samples", "20", "--out", out];
  const lines = (await succeed("eval", ...options, "--target", "b d")).split("\n");
  assert.ok(
    lines.every((line) => line.length <= 80 || line.includes(folder.path)),
    lines.join("\n"),
  );
  const number = String.raw`\s+-?\d+\.\d+`;
  const model = [
    `  direction agreement${number}${number}`,
    `  similarity to target${number}${number}`,
    `  diversity${number}${number}${number}`,
    `  content kept${number}${number}`,
  ];
  const expected = [
    "Adapted   a → b d",
    "Samples   20, seeds 0-19, truncation 0\\.7",
    "Clusters  10 around medoids, seed 0",
    "",
    "\\s+before\\s+after\\s+ratio\\s+worst",
    "clip\\.safetensors",
    ...model,
    "resnet\\.safetensors",
    ...model,
    "Images",
    `  sharpness${number}${number}${number}`,
    "",
  ];
  expected.forEach((pattern, i) => assert.match(lines[i]!, new RegExp(`^${pattern}$`)));

  assert.match(await fail("eval", ...options), /has files in it;.*--overwrite/);
  const json = JSON.parse(await succeed("eval", ...options, "--overwrite", "--json"));
  const { files, ...report } = json;
  assert.deepEqual(files, { report: `${out}/eval.json`, picture: `${out}/samples.png` });
  assert.deepEqual(report, JSON.parse(await Deno.readTextFile(files.report)));
  assert.equal(report.target, "b");
  assert.equal(report.clips.length, 2);
});

Deno.test("nada eval --lpips gives the paper's diversity, and the drift of each image", async () => {
  using folder = temporaryFolder();
  const prompt = { prompt: { source: "a", target: "b" } };
  const { generator, adapted, clip, templates } = await models(folder, prompt, [7, 5, 4]);
  const tensors = madeUpLpips("vgg");
  const lpips = folder.file("lpips.safetensors");
  await writeSafetensors(lpips, tensors);
  const args = ["--generator", generator, "--adapted", adapted, "--clip", clip];
  const printed = await succeed(
    ...["eval", ...args, "--templates", templates, "--samples", "20", "--lpips", lpips],
  );
  const number = String.raw`\s+\d+\.\d{4}`;
  assert.match(
    printed,
    new RegExp(
      `^LPIPS with vgg\n {2}diversity${number}${number}${number}\n {2}drift${number}${number}$`,
      "m",
    ),
  );
  const report = JSON.parse(await Deno.readTextFile(folder.file("eval/eval.json")));
  const { diversity, drift, ...about } = report.lpips;
  assert.deepEqual(about, { backbone: "vgg", side: 256, sha256: [await sha256File(lpips)] });

  const images = async (...more: string[]) => {
    const out = folder.file("i.safetensors");
    const common = ["--generator", generator, "--truncation", "0.7", "--seeds", "0-19"];
    await succeed("sample", ...common, ...more, "--out", out, "--overwrite", "--quiet");
    const { data, shape } = (await tensorsIn(out)).images!;
    return imagesFromTensor(data, shape);
  };
  const [before, after] = [await images(), await images("--adapted", adapted)];
  const distances = before.map((image, i) => referenceLpips("vgg", tensors, image, after[i]!));
  assertClose([drift.mean, drift.worst], [mean(distances), Math.max(...distances)], 1e-4);
  const all = cosineDistances(before.map(() => [1, 0])); // filled with those of the formulas
  all.data.forEach((_, k) => {
    const [i, j] = [Math.floor(k / 20), k % 20];
    if (i < j) return;
    all.data[k] = all.data[j * 20 + i] = referenceLpips("vgg", tensors, before[i]!, before[j]!);
  });
  assertClose([diversity.before], [diversityOf(all)], 1e-4);
  assertClose([diversity.ratio], [diversity.after / diversity.before], 1e-12);

  const small = await models(folder);
  const others = ["--generator", small.generator, "--adapted", small.adapted, "--clip", clip];
  const options = ["--templates", templates, "--lpips", lpips, "--overwrite"];
  assert.match(await fail("eval", ...others, ...options), /images of 8x8 by LPIPS with vgg/);
});

Deno.test("nada eval refuses what does not fit, and leaves nothing behind", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, clip, templates } = await models(folder, null);
  const before = [...Deno.readDirSync(folder.path)].length;
  const files = ["--generator", generator, "--adapted", adapted, "--clip", clip];
  const good = [...files, "--templates", templates, "--source", "a", "--target", "b"];
  const refused = async (message: RegExp, ...args: string[]) =>
    assert.match(await fail("eval", ...args), message);
  await refused(/'--clip <path...>' not specified/, ...files.slice(0, 4));
  await refused(/without two texts: .* pass --source and --target/, ...files);
  await refused(/without two texts/, ...good, "--target", " ");
  await refused(/"a" to "A": source and target are the same/, ...good, "--target", "A");
  await refused(
    /to "a {2}c": the CLIP model "clip\.safetensors" gives both/,
    ...good,
    ...["--source", "a c", "--target", "a  c"],
  );
  await refused(/by 19 samples: the figures need 20 to 4096/, ...good, "--samples", "19");
  await refused(/by 5000 samples/, ...good, "--samples", "5000");
  await refused(/by 3 samples/, ...good, "--seeds", "1-3");
  await refused(/'--seeds <list>' cannot be used with/, ...good, "--seeds", "1", "--samples", "9");
  await refused(/at most 9; shorten/, ...good, "--target", "a b c d e f g h i j");
  await refused(/"\S+none", given as --templates/, ...good, "--templates", folder.file("none"));
  await refused(/"\S+none": there is no such file/, ...good, "--clip", folder.file("none"));
  await refused(/its metadata does not say so/, ...good, "--adapted", clip);
  await refused(
    /it was made for another file/,
    ...good,
    "--generator",
    folder.file("other.safetensors"),
  );
  await refused(/it is a file/, ...good, "--out", generator);
  assert.equal([...Deno.readDirSync(folder.path)].length, before);
});

Deno.test("nada eval refuses a generator whose images are no finite numbers", async () => {
  using folder = temporaryFolder();
  const { generator, adapted, clip, templates } = await models(folder);
  const name = "convs.0.activate.bias";
  const { shape, data } = (await tensorsIn(generator))[name]!;
  await writeDelta(adapted, new Map([[name, { shape, data: data.fill(3e38) }]]), {
    base: { file: generator, sha256: await sha256File(generator) },
    config: { prompt: { source: "a", target: "b" } },
  });
  const args = ["--generator", generator, "--adapted", adapted, "--clip", clip];
  assert.match(
    await fail("eval", ...args, "--templates", templates, "--quiet"),
    /first in layer "convs\.0"/,
  );
  await assert.rejects(Deno.lstat(folder.file("eval")), Deno.errors.NotFound);
});

Deno.test("formatSeeds() writes what parseSeeds() reads", () => {
  for (const text of ["0-255", "7", "5-24,3", "1,3,5-6", "4,4,4"]) {
    assert.equal(formatSeeds(parseSeeds(text)), text);
  }
});

Deno.test("observerNames() takes as many folders as tell the models apart", () => {
  assert.deepEqual(observerNames(["/a/ViT-B-32.pt", "b/RN50.pt"]), ["ViT-B-32.pt", "RN50.pt"]);
  assert.deepEqual(
    observerNames(["/clip/rn/state_dict.pt", "/clip/vit/state_dict.pt", "/x/hub/"]),
    ["rn/state_dict.pt", "vit/state_dict.pt", "x/hub"],
  );
  assert.deepEqual(observerNames(["same.pt", "same.pt"]), ["same.pt", "same.pt"]);
});

Deno.test("printedShort() says the same in a line for each model, in columns", () => {
  const figures = {
    clip: "a-model-with-a-name-that-is-far-too-long.safetensors",
    directionAgreement: { mean: 0.23456, worst: 0.1 },
    contentKept: { mean: 0.9, worst: 0.5 },
  };
  const lines = printedShort([{ ...figures, clip: "ViT-B-32.pt" }, figures], 80);
  assert.deepEqual(lines, [
    "ViT-B-32.pt                      direction agreement 0.2346, content kept 0.9000",
    "a-model-with-a-name-that-is-fa…  direction agreement 0.2346, content kept 0.9000",
  ]);
});
