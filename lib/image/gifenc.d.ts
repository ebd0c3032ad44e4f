/** What is used of the npm package `gifenc`, which has no types. */
export type Palette = readonly (readonly number[])[];

export interface Encoder {
  writeHeader(): void;
  writeFrame(
    pixels: Uint8Array,
    width: number,
    height: number,
    options: { readonly palette: Palette; readonly delay: number; readonly first: boolean },
  ): void;
  bytesView(): Uint8Array;
}

declare const gifenc: {
  GIFEncoder(options: { readonly auto: boolean }): Encoder;
  quantize(rgba: Uint8Array, colours: number): Palette;
  applyPalette(rgba: Uint8Array, palette: Palette): Uint8Array;
};
export default gifenc;
