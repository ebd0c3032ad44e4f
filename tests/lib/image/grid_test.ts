import { deepEqual, equal, ok, throws } from "node:assert/strict";

import { ShapeError } from "../../../lib/errors.ts";
import { balancedRows, type GridCell, imageGrid } from "../../../lib/image/grid.ts";
import type { RgbImage } from "../../../lib/image/image.ts";
import { resizeBicubic } from "../../../lib/image/resize_pil.ts";

/** Loading fonts and WebAssembly and drawing must need no permission at all. */
const permissions = "none";

interface Place {
  x: number;
  y: number;
}

/** Dark noise, so that no image is like another or like the sheet. */
function noise(width: number, height: number, seed: number): RgbImage {
  let state = seed * 7919 + 1;
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 26;
  });
  return { width, height, channels: 3, data };
}

function enlarge({ width, height, data }: RgbImage, factor: number): RgbImage {
  const size = { width: width * factor, height: height * factor };
  const big = new Uint8Array(size.width * size.height * 3);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const from = (Math.floor(y / factor) * width + Math.floor(x / factor)) * 3;
      big.set(data.subarray(from, from + 3), (y * size.width + x) * 3);
    }
  }
  return { ...size, channels: 3, data: big };
}

/** Every place where `part` lies in `sheet`, pixel for pixel. */
function find(sheet: RgbImage, part: RgbImage): Place[] {
  const places: Place[] = [];
  const rowBytes = part.width * 3;
  const equalRow = (x: number, y: number, row: number) => {
    const at = ((y + row) * sheet.width + x) * 3;
    for (let i = 0; i < rowBytes; i++) {
      if (sheet.data[at + i] !== part.data[row * rowBytes + i]) return false;
    }
    return true;
  };
  for (let y = 0; y + part.height <= sheet.height; y++) {
    for (let x = 0; x + part.width <= sheet.width; x++) {
      let row = 0;
      while (row < part.height && equalRow(x, y, row)) row++;
      if (row === part.height) places.push({ x, y });
    }
  }
  return places;
}

/** The one place where the image of each cell lies, enlarged. */
function places(sheet: RgbImage, rows: GridCell[][], factor: number): Place[][] {
  return rows.map((row) =>
    row.map(({ image }) => {
      const found = find(sheet, enlarge(image, factor));
      equal(found.length, 1);
      return found[0]!;
    })
  );
}

/** Bounds of what is darker than the ground and lies in this part of the sheet. */
function inkBounds(sheet: RgbImage, left: number, top: number, right: number, bottom: number) {
  const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (sheet.data[(y * sheet.width + x) * 3]! > 200) continue;
      bounds.left = Math.min(bounds.left, x);
      bounds.right = Math.max(bounds.right, x + 1);
      bounds.top = Math.min(bounds.top, y);
      bounds.bottom = Math.max(bounds.bottom, y + 1);
    }
  }
  return bounds;
}

Deno.test("imageGrid() shows 32x31 pixels four times as large, pixel for pixel, in rows", {
  permissions,
}, async () => {
  const rows = [[0, 1, 2], [3, 4]].map((row) => row.map((k) => ({ image: noise(32, 31, k) })));
  const [first, second] = places(await imageGrid(rows, { title: "photo → sketch" }), rows, 4);
  const pitch = first![1]!.x - first![0]!.x;
  ok(pitch > 128 && pitch < 150);
  deepEqual(first!.map(({ x }) => x), [0, 1, 2].map((k) => first![0]!.x + k * pitch));
  deepEqual(second!.map(({ x }) => x), first!.slice(0, 2).map(({ x }) => x));
  equal(new Set(first!.map(({ y }) => y)).size, 1);
  ok(second![0]!.y >= first![0]!.y + 4 * 31);
});

Deno.test("imageGrid() keeps the pixels of images that are large enough", {
  permissions,
}, async () => {
  const rows = [[{ image: noise(130, 40, 1), caption: "seed 1" }]];
  const sheet = await imageGrid(rows);
  places(sheet, rows, 1);
});

Deno.test("imageGrid() centres column labels and captions on their columns", {
  permissions,
}, async () => {
  const rows = [0, 1].map((i) => [0, 1].map((j) => ({ image: noise(64, 64, 2 * i + j) })));
  const captions = rows.map((row, i) => row.map((cell) => ({ ...cell, caption: `mm${i}mm` })));
  for (const [cells, labels] of [[rows, { columns: ["mmmm", "seed"] }], [captions, {}]] as const) {
    const sheet = await imageGrid(cells, labels);
    const found = places(sheet, rows, 2);
    for (const column of [0, 1]) {
      const { x, y } = found[0]![column]!;
      // Above the first row, or between the rows.
      const [top, bottom] = cells === rows ? [0, y - 3] : [y + 128 + 3, found[1]![column]!.y - 3];
      const ink = inkBounds(sheet, x, top, x + 128, bottom);
      ok(Math.abs((ink.left + ink.right) / 2 - (x + 64)) <= 2, JSON.stringify(ink));
      ok(ink.right - ink.left > 20);
    }
  }
});

Deno.test("imageGrid() puts row labels left of their rows, at half their height", {
  permissions,
}, async () => {
  const rows = [0, 1].map((k) => [{ image: noise(64, 64, k) }]);
  const sheet = await imageGrid(rows, { rows: ["nnn", "a pencil drawing on rough paper"] });
  const found = places(sheet, rows, 2);
  for (const [{ x, y }] of found as [Place][]) {
    const ink = inkBounds(sheet, 0, y, x - 3, y + 128);
    ok(ink.left >= 20 && ink.right < x - 8, JSON.stringify(ink));
    ok(Math.abs((ink.top + ink.bottom) / 2 - (y + 64)) < 6, JSON.stringify(ink));
  }
});

Deno.test("imageGrid() cuts labels that are too long and keeps them off images and edges", {
  permissions,
}, async () => {
  const long = "a charcoal drawing of an old man with a hat, in the style of Käthe Kollwitz "
    .repeat(9);
  const rows = [[{ image: noise(32, 32, 0), caption: long }, { image: noise(32, 32, 1) }]];
  const labels = { title: long, subtitle: long, columns: [long, long], rows: [long] };
  const sheet = await imageGrid(rows, labels);
  places(sheet, rows, 4);
  ok(sheet.width < 600 && sheet.height < 500, `${sheet.width}x${sheet.height}`);
  const ink = inkBounds(sheet, 0, 0, sheet.width, sheet.height);
  for (const space of [ink.left, ink.top, sheet.width - ink.right, sheet.height - ink.bottom]) {
    ok(space >= 20, JSON.stringify(ink));
  }
});

Deno.test("imageGrid() reduces wide rows to a sheet of at most 4096 pixels", {
  permissions,
}, async () => {
  const rows = [[0, 1, 2].map((k) => ({ image: noise(1500, 9, k) }))];
  const sheet = await imageGrid(rows);
  ok(sheet.width <= 4096 && sheet.width > 4000, `${sheet.width}`);
  // Dark pixels in the row at half height begin and end with the images.
  const runs: [start: number, width: number][] = [];
  for (let x = 0, start = -1; x < sheet.width; x++) {
    const dark = sheet.data[((sheet.height >> 1) * sheet.width + x) * 3]! < 200;
    if (dark && start < 0) start = x;
    if (!dark && start >= 0) {
      runs.push([start, x - start]);
      start = -1;
    }
  }
  equal(runs.length, 3);
  rows[0]!.forEach(({ image }, k) => {
    const [start, width] = runs[k]!;
    const reduced = resizeBicubic(image, width, Math.round(width * 9 / 1500));
    deepEqual(find(sheet, reduced).map(({ x }) => x), [start]);
  });
});

Deno.test("imageGrid() enlarges less where a wide sheet would not fit, and never in between", {
  permissions,
}, async () => {
  const rows = [Array.from({ length: 40 }, (_, k) => ({ image: noise(64, 2, k) }))];
  const sheet = await imageGrid(rows);
  ok(sheet.width <= 4096);
  places(sheet, rows, 1);
});

Deno.test("imageGrid() refuses no images and images of different sizes", () => {
  throws(() => imageGrid([[]]), ShapeError);
  const rows = [[{ image: noise(4, 4, 0) }, { image: noise(4, 5, 0) }]];
  throws(() => imageGrid(rows), /an image is 4x5, the first is 4x4/);
});

Deno.test("balancedRows() keeps order and count, in rows that are about square", () => {
  deepEqual(balancedRows([]), []);
  deepEqual(balancedRows([1, 2, 3, 4, 5, 6, 7]), [[1, 2, 3, 4], [5, 6, 7]]);
  for (let n = 1; n <= 40; n++) {
    const rows = balancedRows(Array.from({ length: n }, (_, i) => i));
    deepEqual(rows.flat(), Array.from({ length: n }, (_, i) => i));
    const columns = rows[0]!.length;
    ok(rows.slice(0, -1).every((row) => row.length === columns));
    ok(columns >= rows.length && columns <= 1.7 * Math.ceil(Math.sqrt(n)), `${n}: ${columns}`);
  }
});
