import assert from "node:assert/strict";
import { sha256File, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { decodePng, imagesFromTensor } from "../../lib/image/mod.ts";
import { VERSION } from "../../lib/version.ts";
import { writeDelta } from "../../models/nada/delta.ts";
import { latentsFromSeeds } from "../../models/generator/latents.ts";
import { assertClose } from "../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../fixtures.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

// A few times the reference's own rounding in float32, which is 1e-6 of values up to 3.
const FORWARD = 2e-6;

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
const png = async (path: string) => decodePng(await Deno.readFile(path), path);

Deno.test({
  name: "nada sample gives the images of the original code for z, w, w+, truncated and mixed",
  ignore: !hasFixtures,
  async fn() {
    using folder = temporaryFolder();
    const expected = await fixture("stylegan2/forward_32.safetensors");
    const sample = async (option: string, tensor: string, name: string, ...more: string[]) => {
      const [input, out] = [folder.file("in.safetensors"), folder.file("out.safetensors")];
      await writeSafetensors(input, [[name, expected[tensor]!]]);
      const generator = fixturePath("stylegan2/generator_32.pt");
      const args = ["--generator", generator, option, input, "--out", out, "--batch", "2"];
      await succeed("sample", ...args, "--overwrite", "--quiet", ...more);
      return await tensorsIn(out);
    };
    const figures: number[] = [];
    const close = (actual: { data: Float32Array } | undefined, name: string) =>
      figures.push(assertClose(actual!.data, expected[name]!.data, FORWARD, name));

    const plain = await sample("--z", "input.z", "z", "--truncation", "1");
    assert.deepEqual(plain.images!.shape, [3, 3, 32, 32]);
    assert.deepEqual(plain.z, expected["input.z"]);
    close(plain.images, "image");
    close(plain.w, "w");
    close(plain.w_plus, "w_plus");
    const truncated = await sample("--z", "input.z", "z");
    close(truncated.images, "image_truncated_0.7");
    close(truncated.w, "w_truncated_0.7");
    close((await sample("--w", "w", "w")).images, "image");
    close(
      (await sample("--w", "w", "w", "--truncation", "0.7")).images,
      "image_truncated_0.7",
    );
    close((await sample("--w-plus", "input.wplus_input", "w_plus")).images, "image_from_wplus");
    close((await sample("--w-plus", "mixing.w_plus", "w_plus")).images, "mixing.image");
    console.log(`worst relative error ${Math.max(...figures).toExponential(1)}`);
  },
});

Deno.test("nada sample writes w and w_plus that draw the same images again", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const sample = async (out: string, ...args: string[]) => {
    await succeed(
      "sample",
      "--generator",
      generator,
      "--out",
      folder.file(out),
      "--quiet",
      ...args,
    );
    return await tensorsIn(folder.file(out));
  };
  const first = await sample("a.safetensors", "--seeds", "3,1");
  assert.deepEqual(first.z!.data, latentsFromSeeds([3, 1], 6));
  const fromW = await sample("b.safetensors", "--w", folder.file("a.safetensors"));
  assert.deepEqual(fromW.images, first.images);
  assert.ok(!("z" in fromW));
  const mixed = await sample("c.safetensors", "--seeds", "3,1", "--mix", "8");
  assert.ok(!("w" in mixed), "layers differ, so there is no single w");
  assert.deepEqual(mixed.z_mix!.data, latentsFromSeeds([8, 8], 6));
  const again = await sample("d.safetensors", "--w-plus", folder.file("c.safetensors"));
  assert.deepEqual(again.images, mixed.images);
});

Deno.test("nada sample mixes the second half of the layers, or from --mix-from on", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const rows = async (...args: string[]) => {
    const out = folder.file("out.safetensors");
    const common = ["--generator", generator, "--out", out, "--overwrite", "--quiet"];
    await succeed("sample", ...common, ...args);
    const { data } = (await tensorsIn(out)).w_plus!;
    return [0, 1, 2, 3].map((row) => data.slice(row * 5, (row + 1) * 5));
  };
  const [first, second] = [await rows("--seeds", "1"), await rows("--seeds", "2")];
  const mixed = await rows("--seeds", "1", "--mix", "2");
  assert.deepEqual(mixed, [first[0], first[1], second[2], second[3]]);
  const later = await rows("--seeds", "1", "--mix", "2", "--mix-from", "3");
  assert.deepEqual(later, [first[0], first[1], first[2], second[3]]);
});

Deno.test("nada sample writes a PNG for each seed, which tells where it comes from", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const [dir, raw] = [folder.file("new/faces"), folder.file("raw.safetensors")];
  const common = ["--generator", generator, "--seeds", "7,12-13,7", "--quiet"];
  await succeed("sample", ...common, "--out", dir);
  const files = ["seed0007.png", "seed0007_2.png", "seed0012.png", "seed0013.png"];
  assert.deepEqual(names(dir), ["grid.png", ...files]);

  await succeed("sample", ...common, "--out", raw);
  const { images } = await tensorsIn(raw);
  const pictures = imagesFromTensor(images!.data, images!.shape);
  const picture = await png(`${dir}/seed0012.png`);
  assert.deepEqual(picture.data, pictures[1]!.data);
  assert.equal(picture.text.Software, `nada ${VERSION}`);
  assert.equal(picture.text.Seed, "12");
  assert.deepEqual(JSON.parse(picture.text.nada!), {
    version: VERSION,
    seed: 12,
    truncation: 0.7,
    noise: "const",
    generator: "g.safetensors",
    generatorSha256: await sha256File(generator),
  });
  const grid = await png(`${dir}/grid.png`);
  assert.deepEqual(JSON.parse(grid.text.nada!).seeds, [7, 12, 13, 7]);

  const silent = folder.file("silent");
  await succeed("sample", ...common, "--out", silent, "--no-metadata");
  assert.deepEqual((await png(`${silent}/seed0012.png`)).data, picture.data);
  for (const file of names(silent)) assert.deepEqual((await png(`${silent}/${file}`)).text, {});
});

Deno.test("nada sample draws what was adapted, as far as --strength says", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const name = "to_rgbs.0.bias";
  const other = await writeGenerator(folder.file("other.safetensors"), (tensors) => {
    tensors.get(name)!.data.fill(3);
  });
  const delta = folder.file("adapted.safetensors");
  await writeDelta(delta, new Map([[name, (await tensorsIn(other))[name]!]]), {
    base: { file: generator, sha256: await sha256File(generator) },
    config: { prompt: { source: "photo", target: "Öl auf Leinwand" } },
  });
  const sample = async (...args: string[]) => {
    const out = folder.file("out.safetensors");
    await succeed("sample", "--out", out, "--overwrite", "--quiet", "--seeds", "1", ...args);
    return (await tensorsIn(out)).images!.data;
  };
  const plain = await sample("--generator", generator);
  const full = await sample("--generator", generator, "--adapted", delta);
  assert.deepEqual(full, await sample("--generator", other));
  const adapted = ["--generator", generator, "--adapted", delta];
  assert.deepEqual(await sample(...adapted, "--strength", "0"), plain);
  // The image is linear in this bias.
  const beyond = await sample(...adapted, "--strength", "1.5");
  assertClose(beyond, full.map((value, i) => value + 0.5 * (value - plain[i]!)), 1e-6);

  const sheet = folder.file("sheet.PNG");
  await succeed("sample", ...adapted, "--strength", "0.5", "--quiet", "--out", sheet);
  const { text } = await png(sheet);
  assert.equal(text.Prompt, "photo to Öl auf Leinwand");
  const about = JSON.parse(text.nada!);
  assert.equal(about.strength, 0.5);
  assert.equal(about.adapted, "adapted.safetensors");
  assert.equal(about.adaptedSha256, await sha256File(delta));

  // Twice half the way is the whole of it.
  const half = ["--adapted", delta, "--strength", "0.5"];
  assertClose(await sample("--generator", generator, ...half, ...half), full, 1e-6);
  await succeed(
    ...["sample", "--generator", generator, ...half, ...half, "--seeds", "1", "--quiet"],
    ...["--overwrite", "--out", sheet],
  );
  const added = (await png(sheet)).text;
  assert.equal(added.Prompt, "photo to Öl auf Leinwand (0.5) + Öl auf Leinwand (0.5)");
  assert.equal(JSON.parse(added.nada!).added[1].adaptedSha256, about.adaptedSha256);

  const message = await fail(
    ...["sample", "--generator", other, "--adapted", delta],
    ...["--out", folder.file("no")],
  );
  assert.match(message, /made for another file, "g\.safetensors"/);
});

Deno.test("nada sample draws other noise for each image when it is random, and the same again", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const sample = async (noise: string) => {
    const out = folder.file("out.safetensors");
    const common = ["--generator", generator, "--out", out, "--overwrite", "--quiet"];
    await succeed("sample", ...common, "--seeds", "4,4,4", "--batch", "2", "--noise", noise);
    const { data } = (await tensorsIn(out)).images!;
    return [0, 1, 2].map((i) => data.slice(i * 192, (i + 1) * 192));
  };
  const random = await sample("random");
  assert.notDeepEqual(random[0], random[1]);
  assert.notDeepEqual(random[0], random[2]);
  assert.deepEqual(await sample("random"), random);
  const fixed = await sample("const");
  assert.deepEqual(fixed[0], fixed[2]);
  assert.notDeepEqual(await sample("none"), fixed);
});

Deno.test("nada sample --json says what it wrote", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const latents = folder.file("latents.safetensors");
  await writeSafetensors(latents, [["w", { shape: [2, 5], data: new Float32Array(10) }]]);
  const out = folder.file("out");
  const common = ["--generator", generator, "--out", out, "--json", "--quiet"];
  assert.deepEqual(JSON.parse(await succeed("sample", ...common, "--w", latents)), {
    out,
    count: 2,
    resolution: 8,
    images: [`${out}/w0000.png`, `${out}/w0001.png`],
    grid: `${out}/grid.png`,
    tensors: null,
    about: {
      latents: "w in latents.safetensors",
      truncation: 1,
      noise: "const",
      generator: "g.safetensors",
      generatorSha256: await sha256File(generator),
    },
  });
});

Deno.test("nada sample refuses places that are taken, unless told to overwrite", async () => {
  using folder = temporaryFolder();
  const generator = await writeGenerator(folder.file("g.safetensors"));
  const sample = (
    ...args: string[]
  ) => ["sample", "--generator", generator, "--seeds", "1", "--quiet", ...args];
  await Deno.mkdir(folder.file("dir"));
  await succeed(...sample("--out", folder.file("dir"))); // an empty folder is free
  assert.match(await fail(...sample("--out", folder.file("dir"))), /has files in it;.*--overwrite/);
  await succeed(...sample("--out", folder.file("dir"), "--overwrite"));
  assert.match(await fail(...sample("--out", generator)), /g\.safetensors": it exists;/);
  assert.match(await fail(...sample("--out", `${generator}/x`)), /is a file, not a folder/);
  await Deno.mkdir(folder.file("d.png"));
  assert.match(await fail(...sample("--out", folder.file("d.png"))), /it is a folder;/);
  assert.match(await fail(...sample("--out", folder.file("x.jpg"))), /FILE\.png or tensors/);
});

Deno.test("nada sample refuses what does not fit, and leaves nothing behind", async () => {
  using folder = temporaryFolder();
  const good = await writeGenerator(folder.file("g.safetensors"));
  const broken = await writeGenerator(folder.file("nan.safetensors"), (tensors) => {
    tensors.get("convs.1.conv.weight")!.data[7] = NaN;
  });
  const wild = await writeGenerator(folder.file("wild.safetensors"), (tensors) => {
    tensors.get("convs.0.activate.bias")!.data.fill(3e38);
  });
  const cut = folder.file("cut.safetensors");
  await Deno.writeFile(cut, (await Deno.readFile(good)).slice(0, -100));
  const latents = folder.file("latents.safetensors");
  const nothing = { shape: [0, 5], data: new Float32Array(0) };
  const infinite = { shape: [1, 4, 5], data: new Float32Array(20).fill(Infinity) };
  const z = { shape: [2, 7], data: new Float32Array(14) };
  await writeSafetensors(latents, [["z", z], ["w", nothing], ["w_plus", infinite]]);
  const onlyW = folder.file("w.safetensors");
  await writeSafetensors(onlyW, [["w", { shape: [1, 5], data: new Float32Array(5) }]]);
  const before = names(folder.path);

  const out = ["--out", folder.file("new/out"), "--quiet"];
  const refused = async (message: RegExp, generator: string, ...args: string[]) =>
    assert.match(await fail("sample", "--generator", generator, ...out, ...args), message);
  await refused(/"\S+nothing\.pt": there is no such file/, folder.file("nothing.pt"));
  await refused(/"convs\.1\.conv\.weight" holds NaN at index 7/, broken);
  await refused(/first in layer "convs\.0"/, wild);
  await refused(/it is cut off/, cut);
  await refused(/of no generator that nada knows \("w", "w_plus", "z"\)/, latents);
  await refused(/"z" has shape \[2,7\], this generator takes \[n, 6\]/, good, "--z", latents);
  await refused(/"w" has shape \[0,5\]/, good, "--w", latents);
  await refused(/"w_plus" holds Infinity at index 0/, good, "--w-plus", latents);
  await refused(/no tensor "z", but "w"; give it as --w$/, good, "--z", onlyW);
  await refused(/'--seeds <list>' cannot be used with/, good, "--z", latents, "--seeds", "1");
  await refused(/cannot be used with option '--w <file>'/, good, "--z", latents, "--w", latents);
  await refused(/--strength without --adapted/, good, "--strength", "2");
  const half = ["--strength", "0.5", "--adapted", good, "--adapted", good];
  await refused(/2 adaptations at the strengths 0.5: .* once for each/, good, ...half);
  await refused(/--mix-from without --mix/, good, "--mix-from", "2");
  await refused(/mix 16 images with the 2 seeds/, good, "--mix", "1,2");
  await refused(/this generator has 4; pass --mix-from/, good, "--mix", "1", "--mix-from", "5");
  await refused(/Cannot read seeds from "1-"/, good, "--seeds", "1-");
  await refused(/'--truncation <x>' argument 'much' is invalid/, good, "--truncation", "much");
  await refused(/its metadata does not say so/, good, "--adapted", latents);
  assert.deepEqual(names(folder.path), before);
  const sheet = ["--out", folder.file("sheet.png"), "--seeds", "0-256"];
  assert.match(await fail("sample", "--generator", good, ...sheet), /257 images on one sheet/);
});
