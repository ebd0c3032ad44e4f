import assert from "node:assert/strict";
import { decodeImage } from "../../../lib/image/decode.ts";
import { encodePng, type RgbImage } from "../../../lib/image/mod.ts";

/** Neither the drawing library nor the decoders need any permission. */
const permissions = "none";

/** 16x12 pixels of red with a blue 8x8 corner, by other programs. */
const JPEG = Uint8Array.fromBase64([
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJ",
  "BwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK",
  "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAMABADAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAA",
  "AAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAk",
  "M2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKT",
  "lJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QA",
  "HwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdh",
  "cRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hp",
  "anN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk",
  "5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD8c6/38Pys+9K/5vz/AGMCgAoA/9k=",
].join(""));
const WEBP = Uint8Array.fromBase64(
  "UklGRkYAAABXRUJQVlA4IDoAAABQAgCdASoQAAwAAMASJaACdLoB+AADFiihV4AA/v/KTtqwdAXf/60aRiOzzf/KV/s8v7PL/7NgAAAA",
);
const WEBP_LOSSLESS = Uint8Array.fromBase64(
  "UklGRigAAABXRUJQVlA4TBwAAAAvD8ACAA8wKIP8nv/5Dx6IBZP8pXemENH/yAEA",
);

/** Greatest difference to what the files show, apart from the corner's edge, where colours bleed. */
function difference({ width, height, data }: RgbImage): number {
  assert.deepEqual([width, height], [16, 12]);
  return Math.max(...data.map((value, i) => {
    const [x, y] = [Math.floor(i / 3) % 16, Math.floor(i / 48)];
    if ((x >= 6 && x < 10 && y < 10) || (y >= 6 && y < 10 && x < 10)) return 0;
    return Math.abs(value - (x < 8 && y < 8 ? [0, 0, 255] : [200, 40, 60])[i % 3]!);
  }));
}

Deno.test("decodeImage() reads PNG, JPEG and both kinds of WebP", { permissions }, async () => {
  const lossless = await decodeImage(WEBP_LOSSLESS, "a.webp");
  assert.equal(difference(lossless), 0);
  assert.equal(difference(await decodeImage(encodePng(lossless), "a.png")), 0);
  assert.ok(difference(await decodeImage(JPEG, "a.jpg")) <= 4);
  assert.ok(difference(await decodeImage(WEBP, "a.webp")) <= 12);
});

Deno.test("decodeImage() names files that are cut short, too large or something else", {
  permissions,
}, async () => {
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(decodeImage(bytes, "x.img"), { name: "UserError", message });
  for (const whole of [JPEG, WEBP, WEBP_LOSSLESS]) {
    await refused(whole.subarray(0, whole.length - 9), /^Cannot read "x\.img": .*damaged or cut/);
    await refused(whole.subarray(0, 14), /damaged or cut/);
  }
  const zeros = Uint8Array.from(JPEG);
  zeros.fill(0, 20, 300);
  await refused(zeros, /damaged/);
  const huge = Uint8Array.from(JPEG);
  const frame = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
  huge.set([0xff, 0xff, 0xff, 0xff], frame + 5);
  await refused(huge, /it has 65535x65535 pixels, the limit is 40 megapixels/);
  await refused(new Uint8Array(), /it is empty/);
});

Deno.test("decodeImage() says what a file is that it does not take, and what it takes", {
  permissions,
}, async () => {
  const cases: [start: string, name: string][] = [
    ["GIF89a", "a GIF file"],
    ["BM\x36\0", "a BMP file"],
    ["II*\0", "a TIFF file"],
    ["\0\0\0\x1cftypavif", "an AVIF file"],
    ["\0\0\0\x18ftypheic", "a HEIC file"],
    ["%PDF-1.7", "a PDF file"],
    ["<!DOCTYPE html>", "a web page"],
    [" <svg xmlns=", "an SVG file"],
    ["RIFF\x10\0\0\0WAVEfmt ", "of no known format"],
    ["hello", "of no known format"],
  ];
  for (const [start, name] of cases) {
    const bytes = Uint8Array.from(start.padEnd(40, "\0"), (char) => char.charCodeAt(0));
    await assert.rejects(decodeImage(bytes, "x.img"), {
      name: "UserError",
      message: `Cannot read "x.img": it is ${name}; PNG, JPEG and WebP are taken: save it as one ` +
        `of them`,
    });
  }
});
