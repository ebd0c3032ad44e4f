/** 8-bit RGB pixels: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  width: number;
  height: number;
  channels: 3;
  data: Uint8Array;
}

/** 8-bit RGBA pixels, alpha not multiplied in: `data[(y * width + x) * 4 + channel]`. */
export interface RgbaImage {
  width: number;
  height: number;
  channels: 4;
  data: Uint8Array;
}

/** The same pixels, opaque. */
export function toRgba({ width, height, data }: RgbImage): Uint8Array<ArrayBuffer> {
  const rgba = new Uint8Array(width * height * 4);
  for (let i = 0, j = 0; j < rgba.length; i += 3, j += 4) {
    rgba.set(data.subarray(i, i + 3), j);
    rgba[j + 3] = 255;
  }
  return rgba;
}

/** Puts an image into another, its first pixel at column x and row y. */
export function paste(
  sheet: RgbImage,
  { width, height, data }: RgbImage,
  x: number,
  y: number,
): void {
  for (let row = 0; row < height; row++) {
    const pixels = data.subarray(3 * row * width, 3 * (row + 1) * width);
    sheet.data.set(pixels, 3 * ((y + row) * sheet.width + x));
  }
}
