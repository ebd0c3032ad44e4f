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
