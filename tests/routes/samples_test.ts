import assert from "node:assert/strict";
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { inMemory, readBytes } from "../../lib/checkpoint/range_file.ts";
import { openEntry, readDirectory } from "../../lib/checkpoint/zip.ts";
import { decodePng } from "../../lib/image/mod.ts";
import { succeed, tensorsIn } from "../commands/run.ts";
import { withClasses } from "../models/stylegan2/made_up_tensorflow.ts";
import { startService } from "../service/made_up_service.ts";
import { temporaryFolder } from "../temporary.ts";

Deno.test("Samples", async (t) => {
  await using service = await startService();
  const { request, post } = service;
  const samples = (body: object) => post("/v1/generators/small/samples", body);

  await t.step("GET gives the image of a seed, which caches may keep", async () => {
    const path = "/v1/generators/small/samples/7.png?truncation=0.5&size=16";
    const response = await request(path);
    assert.equal(response.headers.get("content-type"), "image/png");
    assert.match(response.headers.get("cache-control")!, /immutable/);
    const { width, text } = decodePng(await response.bytes());
    assert.equal(width, 16);
    const about = JSON.parse(text.nada!);
    assert.equal(about.seed, 7);
    assert.equal(about.truncation, 0.5);
    const etag = response.headers.get("etag")!;
    const again = await request(path, { headers: { "if-none-match": etag } });
    assert.equal(again.status, 304);
  });

  await t.step("Nothing is said in the file where that is not wanted", async () => {
    const told = "/v1/generators/small/samples/7.png";
    const silent = await request(`${told}?metadata=false`);
    const { text, data } = decodePng(await silent.bytes());
    const other = await request(told);
    assert.deepEqual(text, {});
    assert.deepEqual(data, decodePng(await other.bytes()).data);
    assert.notEqual(silent.headers.get("etag"), other.headers.get("etag"));
    const sheet = await samples({ seeds: [1, 2], metadata: false });
    assert.deepEqual(decodePng(await sheet.bytes()).text, {});
    const tensors = await (await samples({ seeds: [1], format: "safetensors", metadata: false }))
      .bytes();
    assert.ok(!new TextDecoder("latin1").decode(tensors).includes("nada.about"));
    const walk = await post("/v1/generators/small/walks", {
      seeds: [1, 2],
      frames: 1,
      metadata: false,
    });
    assert.ok(!new TextDecoder("latin1").decode(await walk.bytes()).includes("tEXt"));
  });

  await t.step("Several images come as one sheet", async () => {
    const { width, height } = decodePng(await (await samples({ seeds: "0-5" })).bytes());
    assert.ok(width > 3 * 8 && height > 2 * 8);
  });

  await t.step("The same pixels come alone and in a batch with others", async () => {
    const drawn = async (seeds: number[]) => {
      const response = await samples({ seeds, format: "safetensors" });
      return tensorsOf(await response.bytes());
    };
    const alone = await Promise.all([drawn([1]), drawn([2]), drawn([3])]);
    const together = await drawn([1, 2, 3]);
    assert.deepEqual(together.images!.shape, [3, 3, 8, 8]);
    const joined = alone.flatMap(({ images }) => [...images!.data]);
    const difference = Math.hypot(...joined.map((x, i) => x - together.images!.data[i]!));
    assert.ok(difference < 1e-5 * Math.hypot(...joined), `${difference}`);
  });

  await t.step("w and w_plus go out and come in again as the same image", async () => {
    const drawn = async (body: object) =>
      tensorsOf(await (await samples({ format: "safetensors", ...body })).bytes());
    const out = await drawn({ seeds: [5] });
    assert.deepEqual((await drawn({ w: [[...out.w!.data]] })).images!.data, out.images!.data);
    const mixed = await drawn({ seeds: [5], mix: { seeds: [6] } });
    assert.equal(mixed.w, undefined, "styles of two have no single w");
    const [, layers, size] = out.w_plus!.shape as [number, number, number];
    const rows = Array.from(
      { length: layers },
      (_, i) => [...out.w_plus!.data.subarray(i * size, (i + 1) * size)],
    );
    const response = await samples({ w_plus: [rows], format: "safetensors" });
    const { images } = tensorsOf(await response.bytes());
    assert.deepEqual(images!.data, out.images!.data);
  });

  await t.step("JPEG and WebP are what they say", async () => {
    const start = async (format: string) => {
      const response = await samples({ seeds: [1], format });
      assert.equal(response.headers.get("content-type"), `image/${format}`);
      return String.fromCharCode(...(await response.bytes()).subarray(0, 4));
    };
    assert.equal(await start("jpeg"), "\xff\xd8\xff\xe0");
    assert.equal(await start("webp"), "RIFF");
  });

  await t.step("GET mixes, walks and blends as POST does", async () => {
    const pixels = async (query: string) => {
      const response = await request(`/v1/generators/small/samples/1.png?${query}`);
      return decodePng(await response.bytes()).data;
    };
    const other = decodePng(await (await request("/v1/generators/small/samples/2.png")).bytes());
    const plain = await pixels("");
    assert.deepEqual(await pixels("mix=2&mix_from=0"), other.data);
    assert.deepEqual(await pixels("mix=2&mix_from=4"), plain);
    assert.deepEqual(await pixels("mix=2"), await pixels("mix=2&mix_from=2"));
    assert.deepEqual(await pixels("towards=2&towards_by=1"), other.data);
    assert.deepEqual(await pixels("towards=2&towards_by=0"), plain);
    assert.notDeepEqual(await pixels("towards=2"), plain);
  });

  await t.step("A walk comes as a zip archive of PNGs, or as a GIF", async () => {
    const walk = (body: object) =>
      post("/v1/generators/small/walks", { seeds: [1, 2, 3], ...body });
    const zip = await walk({ frames: 4 });
    assert.equal(zip.headers.get("content-type"), "application/zip");
    const pngs = await unzip(await zip.bytes());
    assert.deepEqual(
      pngs.map(({ name }) => name),
      Array.from({ length: 12 }, (_, i) => `frame_${String(i).padStart(4, "0")}.png`),
    );
    const second = await (await request("/v1/generators/small/samples/2.png")).bytes();
    assert.deepEqual(decodePng(pngs[4]!.content).data, decodePng(second).data);
    const about = JSON.parse(decodePng(pngs[5]!.content).text.nada!);
    assert.deepEqual([about.seed, about.towardsSeeds, about.towardsBy], [2, [3], [0.25]]);

    const gif = await walk({ frames: 5, loop: false, format: "gif", size: 16 });
    assert.equal(gif.headers.get("content-type"), "image/gif");
    const bytes = await gif.bytes();
    assert.equal(String.fromCharCode(...bytes.subarray(0, 6)), "GIF89a");
    assert.deepEqual([bytes[6], bytes[8], bytes.at(-1)], [16, 16, 0x3b]);
    assert.equal(framesOf(bytes), 11);

    for (const body of [{ seeds: [1] }, { frames: 300 }, { format: "mp4" }]) {
      assert.equal((await walk(body)).status, 422, JSON.stringify(body));
    }
  });

  await t.step("What cannot be drawn is refused", async () => {
    const cases: [object, RegExp][] = [
      [{}, /found none/],
      [{ seeds: [1], w: [[1]] }, /found seeds and w/],
      [{ seeds: "3-1" }, /runs backwards/],
      [{ z: [[1, 2]] }, /z of 2 values: this generator takes 6/],
      [{ w_plus: [[[1, 2, 3, 4, 5]]] }, /w_plus of 1 layers: this generator takes 4/],
      [{ seeds: [1], mix: { seeds: [1, 2], from_layer: 1 } }, /mix 1 latents with 2 seeds/],
      [{ seeds: [1], mix: { seeds: [1], from_layer: 9 } }, /mix from layer 9/],
      [{ seeds: [1, 2], towards: { seeds: [1], by: [0] } }, /Cannot go towards other seeds/],
    ];
    for (const [body, message] of cases) {
      const response = await samples(body);
      assert.equal(response.status, 422, JSON.stringify(body));
      assert.match((await response.json()).detail, message);
    }
    assert.equal((await request("/v1/generators/small/samples/4294967296.png")).status, 422);
    assert.equal((await request("/v1/generators/other/samples/1.png")).status, 404);
  });

  await t.step("CLIP's features are of unit length, and alike for the same text", async () => {
    const response = await post("/v1/clip/embeddings", { clip: "tiny", texts: ["a", "b", "a"] });
    const { dimensions, texts: [a, b, again] } = await response.json();
    assert.equal(a.length, dimensions);
    assert.ok(Math.abs(Math.hypot(...a) - 1) < 1e-6);
    assert.deepEqual(a, again);
    assert.notDeepEqual(a, b);
    const bad = await post("/v1/clip/embeddings", { clip: "tiny", images: ["AAAA"] });
    assert.equal(bad.status, 422);
  });
});

Deno.test("What is wrong with a request for samples is said of its field", async () => {
  await using service = await startService();
  const wrong: [field: string, body: object][] = [
    ["seeds", { seeds: "a-b" }],
    ["seeds", { seeds: "0-100" }],
    ["w", { w: [[1, 2]] }],
    ["w_plus", { w_plus: [[[1, 2]]] }],
    ["mix.seeds", { seeds: [1], mix: { seeds: [1, 2], from_layer: 1 } }],
  ];
  for (const [field, body] of wrong) {
    const response = await service.post("/v1/generators/small/samples", body);
    const { errors } = await response.json();
    assert.deepEqual([response.status, errors?.[0]?.path], [422, field]);
  }
});

Deno.test("An image that the client has is not sent again, however it names it", async () => {
  await using service = await startService();
  const path = "/v1/generators/small/samples/1.png";
  const etag = (await service.request(path)).headers.get("etag")!;
  const status = async (known: string) =>
    (await service.request(path, { headers: { "if-none-match": known } })).status;
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    assert.equal(await status(known), 304, known);
  }
  assert.equal(await status('"other"'), 200);
});

Deno.test("Classes of a generator are drawn, adapted and downloaded", async (t) => {
  using folder = temporaryFolder();
  const generator = folder.file("classes.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  await using service = await startService({ generators: { kinds: generator } });
  const { request, post } = service;
  const draw = async (id: string, body: object) => {
    const asked = { seeds: [1, 2], format: "safetensors", ...body };
    const response = await post(`/v1/generators/${id}/samples`, asked);
    assert.equal(response.status, 200);
    return [...tensorsOf(await response.bytes()).images!.data];
  };
  const byCommand = async (...args: string[]) => {
    const out = folder.file("images.safetensors");
    const options = ["--seeds", "1-2", "--out", out, "--overwrite"];
    await succeed("sample", "--generator", generator, ...options, ...args);
    return [...(await tensorsIn(out)).images!.data];
  };

  await t.step("Samples of each class are those that nada sample draws", async () => {
    for (const ofClass of [2, 0, 2, 3]) {
      const expected = await byCommand("--class", `${ofClass}`);
      assert.deepEqual(await draw("kinds", { class: ofClass }), expected, `class ${ofClass}`);
    }
  });

  await t.step("GET takes the class in its query, and its picture says so", async () => {
    const response = await request("/v1/generators/kinds/samples/7.png?class=3");
    const { text } = decodePng(await response.bytes());
    assert.equal(JSON.parse(text.nada!).class, 3);
    const other = await request("/v1/generators/kinds/samples/7.png?class=2");
    await other.body?.cancel();
    assert.notEqual(other.headers.get("etag"), response.headers.get("etag"));
  });

  await t.step("A class that is missing, or not there, is refused", async () => {
    const asked = { source: "a", target: "b", clip: "tiny", steps: 1 };
    const cases: [path: string, body: object, message: RegExp][] = [
      ["/v1/generators/kinds/samples", { seeds: [1] }, /4 classes; give class, from 0 to 3/],
      ["/v1/generators/kinds/samples", { seeds: [1], class: 4 }, /none has the number 4/],
      ["/v1/generators/demo/samples", { seeds: [1], class: 0 }, /no classes; leave class out/],
      ["/v1/adaptations", { ...asked, generator: "kinds" }, /4 classes; give class/],
      ["/v1/adaptations", { ...asked, class: 1 }, /"demo": its images are of no classes/],
    ];
    for (const [path, body, message] of cases) {
      const response = await post(path, body);
      assert.equal(response.status, 422, JSON.stringify(body));
      assert.match((await response.json()).detail, message);
    }
    assert.equal((await request("/v1/generators/kinds/samples/7.png")).status, 422);
    assert.equal((await request("/v1/generators/kinds/download?format=safetensors")).status, 422);
  });

  await t.step("An adaptation of a class draws it, and any other one", async () => {
    const templates = { source: "a", target: "b", clip: "tiny", steps: 2, lr: 0.05 };
    const body = { ...templates, generator: "kinds", class: 2, preview_every: 0 };
    const made = await (await post("/v1/adaptations?wait=true", body)).json();
    assert.equal(made.state, "succeeded");
    const { classes, class: own } = await (await request(`/v1/generators/${made.id}`)).json();
    assert.deepEqual([classes, own], [4, 2]);

    const download = `/v1/generators/${made.id}/download`;
    const delta = folder.file("delta.safetensors");
    await Deno.writeFile(delta, await (await request(download)).bytes());
    for (const ofClass of [2, 1]) {
      const expected = await byCommand("--adapted", delta, "--class", `${ofClass}`);
      assert.deepEqual(await draw(made.id, { class: ofClass }), expected, `class ${ofClass}`);
    }
    assert.deepEqual(await draw(made.id, {}), await draw(made.id, { class: 2 }));

    const whole = folder.file("whole.safetensors");
    const bytes = await (await request(`${download}?format=safetensors&class=1`)).bytes();
    await Deno.writeFile(whole, bytes);
    const out = folder.file("whole_images.safetensors");
    await succeed("sample", "--generator", whole, "--seeds", "1-2", "--out", out);
    assert.deepEqual([...(await tensorsIn(out)).images!.data], await draw(made.id, { class: 1 }));
  });
});

interface Entry {
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** Tensors of a safetensors file in memory. */
function tensorsOf(bytes: Uint8Array<ArrayBuffer>) {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = {};
  delete header.__metadata__;
  for (const [name, { shape, data_offsets }] of Object.entries<Entry>(header)) {
    const [from, to] = data_offsets.map((at) => 8 + length + at);
    tensors[name] = { shape, data: new Float32Array(bytes.buffer.slice(from, to)) };
  }
  return tensors;
}

async function unzip(bytes: Uint8Array<ArrayBuffer>) {
  const archive = inMemory(bytes);
  const entries = [...(await readDirectory(archive)).values()];
  return await Promise.all(entries.map(async (entry) => {
    const content = await openEntry(archive, entry);
    return { name: entry.name, content: await readBytes(content, 0, entry.size) };
  }));
}

/** Counts the images of a GIF, block by block. */
function framesOf(bytes: Uint8Array): number {
  const colours = (flags: number) => flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
  let at = 13 + colours(bytes[10]!);
  let frames = 0;
  const skipBlocks = () => {
    while (bytes[at] !== 0) at += 1 + bytes[at]!;
    at++;
  };
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      at += 2;
    } else {
      assert.equal(bytes[at], 0x2c, `at ${at}`);
      frames++;
      at += 10 + colours(bytes[at + 9]!) + 1;
    }
    skipBlocks();
  }
  assert.equal(at, bytes.length - 1);
  return frames;
}
