import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { encodePng } from "../../lib/image/mod.ts";
import { assertClose } from "../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../fixtures.ts";
import { seededRandom } from "../gpu.ts";
import { tinyTensors, writeTiny } from "../models/clip/tiny.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

// A few times the rounding of float32 in the reference.
const FEATURES = 5e-6;

interface Expected {
  prompts: string[];
}

Deno.test({
  name: "nada clip gives the features of the original code, from every form of model",
  ignore: !hasFixtures,
  async fn() {
    using folder = temporaryFolder();
    const figures: number[] = [];
    for (
      const [model, folderName] of [
        ["clip/vit_a/state_dict.pt", "clip/vit_a"],
        ["clip/vit_b/huggingface", "clip/vit_b"],
      ] as const
    ) {
      const expected = await fixture(`${folderName}/expected.safetensors`);
      const { prompts } = await fixtureJson<Expected>(`${folderName}/expected.json`);
      const [input, out] = [folder.file("in.safetensors"), folder.file("out.safetensors")];
      await writeSafetensors(input, [["pixel_values", expected["input.image"]!]]);
      const args = ["--clip", fixturePath(model), "--images", input, "--texts", ...prompts];
      await succeed("clip", ...args, "--out", out, "--overwrite", "--quiet");
      const { image_features, text_features } = await tensorsIn(out);
      assert.deepEqual(image_features!.shape, expected.image_features!.shape);
      assert.deepEqual(text_features!.shape, expected.text_features!.shape);
      figures.push(
        assertClose(image_features!.data, expected.image_features!.data, FEATURES, "images"),
        assertClose(text_features!.data, expected.text_features!.data, FEATURES, "texts"),
      );
    }
    console.log(`worst relative error ${Math.max(...figures).toExponential(1)}`);
  },
});

Deno.test({
  name: "nada clip preprocesses images in [-1, 1] with both resizes",
  ignore: !hasFixtures,
  async fn() {
    using folder = temporaryFolder();
    const expected = await fixture("preprocess/preprocess.safetensors");
    const features = async (tensor: string, name: string, ...more: string[]) => {
      const [input, out] = [folder.file("in.safetensors"), folder.file("out.safetensors")];
      await writeSafetensors(input, [[name, expected[tensor]!]]);
      const args = ["--clip", fixturePath("clip/vit_a/state_dict.pt"), "--images", input];
      await succeed("clip", ...args, "--out", out, "--overwrite", "--quiet", ...more);
      return (await tensorsIn(out)).image_features!.data;
    };
    for (const [resize, kind] of [["bicubic", "plain"], ["bicubic-antialias", "antialias"]]) {
      const given = await features("50x84.input", "images", "--clip-resize", resize!);
      const wanted = await features(`50x84.${kind}.output`, "pixel_values");
      assertClose(given, wanted, FEATURES, resize);
    }
  },
});

Deno.test({
  name: "nada clip gives PNG files CLIP's own preprocessing",
  ignore: !hasFixtures,
  async fn() {
    using folder = temporaryFolder();
    const { style_preprocessed } = await fixture("losses/losses.safetensors");
    const [input, out] = [folder.file("in.safetensors"), folder.file("out.safetensors")];
    await writeSafetensors(input, [["pixel_values", style_preprocessed!]]);
    const styles = [0, 1, 2].map((i) => fixturePath(`losses/style_${i}.png`));
    const model = fixturePath("clip/vit_a/state_dict.pt");
    const args = ["--images", styles[0]!, input, ...styles.slice(1), "--out", out, "--quiet"];
    await succeed("clip", "--clip", model, ...args);
    const { data, shape } = (await tensorsIn(out)).image_features!;
    assert.deepEqual(shape, [6, 48]);
    const rows = (...numbers: number[]) =>
      numbers.flatMap((row) => [...data.subarray(row * 48, (row + 1) * 48)]);
    assertClose(rows(0, 4, 5), rows(1, 2, 3), 1e-6, "PNGs, in the order they were given");
  },
});

/** A PNG of noise. */
function noisePng(seed: number): Uint8Array {
  const random = seededRandom(seed);
  const data = Uint8Array.from({ length: 9 * 7 * 3 }, () => 256 * random());
  return encodePng({ width: 9, height: 7, channels: 3, data });
}

Deno.test("nada clip prints the cosine of every image and text, and writes their names", async () => {
  using folder = temporaryFolder();
  const model = await writeTiny(folder.file("tiny.safetensors"));
  const files = ["a.png", "b.png"].map((name) => folder.file(name));
  for (const [i, file] of files.entries()) await Deno.writeFile(file, noisePng(i));
  const out = folder.file("new/features.safetensors");
  const args = ["--clip", model, "--images", ...files, "--texts", "a", "b c", "--out", out];
  const printed = await succeed("clip", ...args);

  const { image_features, text_features } = await tensorsIn(out);
  const row = ({ data }: { data: Float32Array }, i: number) => data.slice(3 * i, 3 * i + 3);
  const cosine = (i: number, j: number) => {
    const [a, b] = [row(image_features!, i), row(text_features!, j)];
    return a.reduce((sum, x, k) => sum + x * b[k]!, 0) / Math.hypot(...a) / Math.hypot(...b);
  };
  const cell = (i: number, j: number) => cosine(i, j).toFixed(4).padStart(9);
  assert.deepEqual(printed.split("\n"), [
    `Features  ${out}`,
    "",
    "             a      b c",
    `a.png${cell(0, 0)}${cell(0, 1)}`,
    `b.png${cell(1, 0)}${cell(1, 1)}`,
  ]);
  using checkpoint = await openCheckpoint(out);
  assert.equal(checkpoint.metadata["nada.images"], '["a.png","b.png"]');
  assert.equal(checkpoint.metadata["nada.texts"], '["a","b c"]');

  const json = JSON.parse(await succeed("clip", ...args, "--overwrite", "--json"));
  assert.equal(json.features, 3);
  assert.deepEqual(json.images, ["a.png", "b.png"]);
  assertClose(json.cosines.flat(), [cosine(0, 0), cosine(0, 1), cosine(1, 0), cosine(1, 1)], 1e-6);
});

Deno.test("nada clip writes only what it was given", async () => {
  using folder = temporaryFolder();
  const model = await writeTiny(folder.file("tiny.safetensors"));
  const out = folder.file("features.safetensors");
  assert.equal(
    await succeed("clip", "--clip", model, "--texts", "a", "--out", out),
    `Features  ${out}`,
  );
  assert.deepEqual(Object.keys(await tensorsIn(out)), ["text_features"]);
});

Deno.test("nada clip refuses what does not fit, and leaves nothing behind", async () => {
  using folder = temporaryFolder();
  const tiny = await writeTiny(folder.file("tiny.safetensors"));
  const generator = await writeGenerator(folder.file("generator.safetensors"));
  const tensors = tinyTensors();
  tensors.get("visual.proj")!.data[1] = NaN;
  const broken = await writeTiny(folder.file("nan.safetensors"), tensors);
  const picture = folder.file("picture.png");
  await Deno.writeFile(picture, noisePng(1));
  const cut = folder.file("cut.png");
  await Deno.writeFile(cut, noisePng(1).slice(0, 90));
  const jpeg = folder.file("photo.jpg");
  await Deno.writeFile(jpeg, Uint8Array.of(0xff, 0xd8, 0xff, 0xe0));
  const images = async (name: string, tensors: Record<string, number[]>, value = 0) => {
    const path = folder.file(`${name}.safetensors`);
    await writeSafetensors(
      path,
      Object.entries(tensors).map(([name, shape]) => {
        const size = shape.reduce((product, n) => product * n, 1);
        return [name, { shape, data: new Float32Array(size).fill(value) }];
      }),
    );
    return path;
  };
  const wrongSize = await images("wrong", { pixel_values: [1, 3, 5, 6] });
  const grey = await images("grey", { images: [1, 1, 8, 8] });
  const both = await images("both", { images: [1, 3, 8, 8], pixel_values: [1, 3, 6, 6] });
  const neither = await images("neither", { z: [1, 3] });
  const infinite = await images("infinite", { images: [1, 3, 8, 8] }, Infinity);
  const before = [...Deno.readDirSync(folder.path)].length;

  const out = folder.file("new/out.safetensors");
  const refused = async (message: RegExp, clip: string, ...args: string[]) =>
    assert.match(await fail("clip", "--clip", clip, "--out", out, ...args), message);
  await refused(/Cannot encode nothing: pass --images, --texts or both/, tiny);
  await refused(
    /it has 12 tokens .* at most 9; shorten/,
    tiny,
    "--texts",
    "a",
    "a b c d e f g h i j",
  );
  await refused(/"\S+none\.pt": there is no such file/, folder.file("none.pt"), "--texts", "a");
  await refused(/it is a StyleGAN generator; give it where/, generator, "--texts", "a");
  await refused(/"visual\.proj" from "\S+": element 1 is NaN/, broken, "--images", picture);
  await refused(/"\S+none\.png": there is no such file/, tiny, "--images", folder.file("none.png"));
  await refused(/cut\.png": the file is damaged/, tiny, "--images", cut);
  await refused(/photo\.jpg": it is a JPEG file, not a PNG file/, tiny, "--images", picture, jpeg);
  await refused(/shape \[1,3,5,6\], \[n, 3, 6, 6\] was/, tiny, "--images", wrongSize);
  await refused(/shape \[1,1,8,8\], \[n, 3, h, w\] was/, tiny, "--images", grey);
  await refused(/it has "images" and "pixel_values"/, tiny, "--images", both);
  await refused(/neither "images" \[n, 3, h, w\] nor/, tiny, "--images", neither);
  await refused(/"images" holds Infinity at index 0/, tiny, "--images", infinite);
  assert.equal([...Deno.readDirSync(folder.path)].length, before);

  const text = ["clip", "--clip", tiny, "--texts", "a", "--out"];
  assert.match(await fail(...text, folder.file("out.json")), /name a file FILE\.safetensors/);
  assert.match(await fail(...text, tiny), /it exists; .*--overwrite/);
});
