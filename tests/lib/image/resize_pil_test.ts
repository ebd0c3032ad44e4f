import { deepEqual, equal } from "node:assert/strict";
import { crc32 } from "node:zlib";

import type { RgbImage } from "../../../lib/image/image.ts";
import { decodePng } from "../../../lib/image/png.ts";
import { clipPreprocess, resizeBicubic } from "../../../lib/image/resize_pil.ts";
import { assertClose } from "../../assert.ts";
import { fixturePath, hasFixtures } from "../../fixtures.ts";

function pattern(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => i * i * 37 + i * 11);
  return { width, height, channels: 3, data };
}

// CRC-32 of what Pillow 9.4 makes of pattern(w, h) with resize((W, H), Image.BICUBIC).
const PILLOW: [w: number, h: number, W: number, H: number, crc: number][] = [
  [13, 7, 29, 31, 0x5beca6fe],
  [5, 3, 5, 17, 0x10bb768e],
  [3, 5, 17, 5, 0xd0b1d06c],
  [200, 100, 1, 1, 0xc8f1ffeb],
  [1, 1, 9, 9, 0x248ef311],
  [150, 90, 37, 11, 0x51181fe8],
  [64, 64, 64, 64, 0x85239751],
];

for (const [w, h, W, H, crc] of PILLOW) {
  Deno.test(`resizeBicubic() makes ${W}x${H} of ${w}x${h} as PIL does, bit for bit`, () => {
    const resized = resizeBicubic(pattern(w, h), W, H);
    equal(resized.data.length, W * H * 3);
    equal(crc32(resized.data), crc);
  });
}

Deno.test("resizeBicubic() leaves its input alone and never returns it", () => {
  const image = pattern(4, 4);
  const same = resizeBicubic(image, 4, 4);
  same.data.fill(0);
  deepEqual(image, pattern(4, 4));
});

Deno.test("clipPreprocess() crops at half pixels to the even side, as Python rounds", () => {
  // The shorter side has the wanted size already, so that each value is one pixel's.
  for (const [long, first] of [[5, 0], [7, 2], [9, 2], [11, 4], [6, 1]] as const) {
    const tall = pattern(4, long);
    const wide = pattern(long, 4);
    const red = (v: number) => (v / 255 - 0.48145466) / 0.26862954;
    const rows = tall.data.subarray(first * 12, (first + 4) * 12).filter((_, i) => i % 3 === 0);
    assertClose(clipPreprocess(tall, 4).subarray(0, 16), Array.from(rows, red), 1e-6);
    const columns = wide.data.filter((_, i) => {
      const x = Math.floor(i / 3) % long;
      return i % 3 === 0 && x >= first && x < first + 4;
    });
    assertClose(clipPreprocess(wide, 4).subarray(0, 16), Array.from(columns, red), 1e-6);
  }
});

Deno.test({
  name: "clipPreprocess() gives the very numbers of CLIP's own preprocessing of three pictures",
  ignore: !hasFixtures,
  fn() {
    const file = Deno.readFileSync(fixturePath("losses/losses.safetensors"));
    const expected = readTensor(file, "style_preprocessed"); // [3, 3, 64, 64]
    const size = 3 * 64 * 64;
    for (let i = 0; i < 3; i++) {
      const name = `losses/style_${i}.png`;
      const image = decodePng(Deno.readFileSync(fixturePath(name)), name);
      deepEqual(clipPreprocess(image, 64), expected.slice(i * size, (i + 1) * size));
    }
  },
});

/** One float32 tensor of a safetensors file, read without the code under test elsewhere. */
function readTensor(file: Uint8Array, name: string): Float32Array {
  const view = new DataView(file.buffer, file.byteOffset);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  const [from, to] = header[name].data_offsets;
  return new Float32Array(file.slice(start + from, start + to).buffer);
}
