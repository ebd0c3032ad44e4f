import { deepEqual, doesNotThrow, equal, ok, throws } from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";

import { encode } from "fast-png";

import { UserError } from "../../../lib/errors.ts";
import type { RgbImage } from "../../../lib/image/image.ts";
import { decodePng, encodePng } from "../../../lib/image/png.ts";
import { readChunks } from "../../../lib/image/png_chunks.ts";

function noise(width: number, height: number, channels: number): Uint8Array {
  return Uint8Array.from({ length: width * height * channels }, (_, i) => (i * i * 37 + i * 11));
}

function rgbImage(width: number, height: number): RgbImage {
  return { width, height, channels: 3, data: noise(width, height, 3) };
}

/** `png` with a chunk more behind its header. */
function withChunk(png: Uint8Array, type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(data.length + 12);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(new TextEncoder().encode(type), 4);
  chunk.set(data, 8);
  view.setUint32(data.length + 8, crc32(chunk.subarray(4, -4)));
  return Uint8Array.from([...png.subarray(0, 33), ...chunk, ...png.subarray(33)]);
}

/** `png` with another width and height in a header that is otherwise right. */
function withSize(png: Uint8Array, width: number, height: number): Uint8Array {
  const changed = png.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  view.setUint32(29, crc32(changed.subarray(12, 29)));
  return changed;
}

Deno.test("decodePng() gives back the pixels encodePng() was given", () => {
  const image = rgbImage(13, 7);
  deepEqual(decodePng(encodePng(image)), { ...image, text: {} });
});

Deno.test("decodePng() drops alpha", () => {
  const data = noise(5, 3, 4);
  const { channels, data: rgb } = decodePng(encodePng({ width: 5, height: 3, channels: 4, data }));
  equal(channels, 3);
  deepEqual(rgb, data.filter((_, i) => i % 4 !== 3));
});

Deno.test("decodePng() reads an image that starts inside a larger buffer", () => {
  const image = rgbImage(3, 2);
  const png = encodePng(image, { seed: "7" });
  const buffer = new Uint8Array(png.length + 9).fill(255);
  buffer.set(png, 5);
  deepEqual(decodePng(buffer.subarray(5, -4)), { ...image, text: { seed: "7" } });
});

Deno.test("encodePng() keeps text in every script, in the order given", () => {
  const text = {
    seed: "7",
    prompt: "Zeichnung älterer Männer – 素描 – эскиз 😀",
    latin: "café\nsecond line",
    control: "tab\tand\r\nreturn",
    empty: "",
    ["__proto__"]: "not special",
  };
  const decoded = decodePng(encodePng(rgbImage(2, 2), text)).text;
  deepEqual(Object.entries(decoded), Object.entries(text));
});

Deno.test("encodePng() writes Latin-1 as tEXt and all else as iTXt, before the pixels", () => {
  const png = encodePng(rgbImage(2, 2), { seed: "7", prompt: "café", other: "素描" });
  deepEqual(
    readChunks(png).map(({ type }) => type),
    ["IHDR", "tEXt", "tEXt", "iTXt", "IDAT", "IEND"],
  );
});

Deno.test("encodePng() refuses keywords PNG does not allow", () => {
  for (const keyword of ["", " seed", "seed ", "素描", "a\nb", "x".repeat(80)]) {
    throws(() => encodePng(rgbImage(1, 1), { [keyword]: "7" }), RangeError, keyword);
  }
  doesNotThrow(() => encodePng(rgbImage(1, 1), { s: "7", ["x".repeat(79)]: "7" }));
});

Deno.test("decodePng() reads compressed text and passes over text that is broken", () => {
  const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const parts = (...all: Uint8Array[]) => Uint8Array.from(all.flatMap((part) => [...part]));
  const long = "long ".repeat(100);
  const chunks: [string, Uint8Array][] = [
    ["zTXt", parts(latin1("a\0\0"), deflateSync(long))],
    ["iTXt", parts(latin1("b\0\x01\0de\0"), new TextEncoder().encode("ü\0"), deflateSync("素描"))],
    ["zTXt", parts(latin1("bad\0\0"), latin1("not compressed"))],
    ["zTXt", parts(latin1("bomb\0\0"), deflateSync(new Uint8Array(2 ** 21)))],
    ["tEXt", latin1("no end of keyword")],
    ["iTXt", latin1("c\0\0\0no end of language")],
  ];
  const png = chunks.reduce(
    (file, [type, data]) => withChunk(file, type, data),
    encodePng(rgbImage(3, 1)),
  );
  deepEqual(decodePng(png).text, { b: "素描", a: long });
});

for (const depth of [1, 2, 4] as const) {
  Deno.test(`decodePng() unpacks grey and palette images of ${depth} bits`, () => {
    const [width, height] = [13, 3];
    const rowBytes = Math.ceil(width * depth / 8);
    const data = noise(rowBytes, height, 1);
    const samples = Array.from({ length: width * height }, (_, i) => {
      const [row, bit] = [Math.floor(i / width), (i % width) * depth];
      const bits = data[row * rowBytes + Math.floor(bit / 8)]!.toString(2).padStart(8, "0");
      return parseInt(bits.slice(bit % 8, bit % 8 + depth), 2);
    });
    const palette = Array.from({ length: 2 ** depth }, (_, i) => [i * 3, 255 - i, i * i % 256]);
    const kind = { width, height, channels: 1, depth, data };

    const grey = decodePng(encode(kind)).data;
    deepEqual([...grey], samples.flatMap((v) => Array(3).fill(v * 255 / (2 ** depth - 1))));
    const coloured = decodePng(encode({ ...kind, palette })).data;
    deepEqual([...coloured], samples.flatMap((v) => palette[v]!));
  });
}

Deno.test("decodePng() keeps the high byte of 16-bit samples and repeats grey", () => {
  const wide = Uint16Array.from([0, 255, 256, 65535, 0x8123, 0x80ff]);
  const rgb = decodePng(encode({ width: 2, height: 1, channels: 3, depth: 16, data: wide }));
  deepEqual([...rgb.data], [0, 0, 1, 255, 0x81, 0x80]);
  const greyAlpha = decodePng(encode({ width: 3, height: 1, channels: 2, depth: 16, data: wide }));
  deepEqual([...greyAlpha.data], [0, 0, 0, 1, 1, 1, 0x81, 0x81, 0x81]);
});

Deno.test("decodePng() reads interlaced images, also those with empty passes", () => {
  for (const [width, height] of [[13, 7], [1, 1], [3, 9]] as const) {
    const image = rgbImage(width, height);
    deepEqual(decodePng(encode(image, { interlace: "Adam7" })).data, image.data);
  }
});

Deno.test("decodePng() says what a file that is not PNG is", () => {
  const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]);
  throws(
    () => decodePng(jpeg, "cat.jpg"),
    new UserError('Cannot read "cat.jpg": it is a JPEG file, not a PNG file; convert it to PNG'),
  );
  throws(() => decodePng(new Uint8Array()), /^UserError: Cannot read the PNG image: it is empty/);
});

Deno.test("decodePng() names the size of an image that is too large, before decoding it", () => {
  const png = withSize(encodePng(rgbImage(1, 1)), 100_000, 90_000);
  throws(
    () => decodePng(png, "big.png"),
    new UserError(
      'Cannot read "big.png": it has 100000x90000 pixels (9000.0 megapixels), the limit is 40 ' +
        "megapixels; make it smaller",
    ),
  );
});

Deno.test("decodePng() refuses pixels that inflate to more or less than the header says", () => {
  const png = encodePng(rgbImage(40, 40));
  throws(() => decodePng(withSize(png, 41, 40), "a.png"), /"a\.png": .* \(its pixels end early\)/);
  throws(() => decodePng(withSize(png, 1, 1), "a.png"), /"a\.png": .* more pixels than its header/);
});

Deno.test("decodePng() reads on where only a chunk it does not need is damaged", () => {
  const png = withChunk(encodePng(rgbImage(3, 2)), "iCCP", Uint8Array.from([65, 0, 0, 1, 2, 3]));
  const damaged = png.slice();
  damaged[33 + 9]! ^= 1;
  for (const file of [png, damaged]) deepEqual(decodePng(file).data, noise(3, 2, 3));
});

Deno.test("decodePng() answers every cut and every changed byte with a UserError or an image", () => {
  const png = encodePng(rgbImage(5, 4), { prompt: "素描" });
  for (let size = 0; size < png.length; size++) {
    throws(() => decodePng(png.subarray(0, size), "cut.png"), (error: Error) => {
      ok(error instanceof UserError && error.message.startsWith('Cannot read "cut.png": '));
      return true;
    });
  }
  let refused = 0;
  for (let i = 0; i < png.length; i++) {
    const changed = png.slice();
    changed[i]! ^= 0x11;
    try {
      deepEqual(decodePng(changed).data, noise(5, 4, 3));
    } catch (error) {
      ok(error instanceof UserError, `byte ${i}: ${error}`);
      refused++;
    }
  }
  ok(refused > 50, `only ${refused} of ${png.length} changed files were refused`);
});
