/** First bytes of files that people take for pictures that can be read, or that are. */
const FORMATS: readonly (readonly [start: RegExp, name: string])[] = [
  [/^\x89PNG/, "a PNG file"],
  [/^\xff\xd8\xff/, "a JPEG file"],
  [/^RIFF.{4}WEBP/s, "a WebP file"],
  [/^GIF8/, "a GIF file"],
  [/^BM/, "a BMP file"],
  [/^(II\*\0|MM\0\*)/, "a TIFF file"],
  [/^.{4}ftypavi[fs]/s, "an AVIF file"],
  [/^.{4}ftyp(hei|hev|mif1|msf1)/s, "a HEIC file"],
  [/^8BPS/, "a Photoshop file"],
  [/^%PDF/, "a PDF file"],
  [/^\s*<(\?xml|svg)/, "an SVG file"],
  [/^\s*<(!doctype html|html)/i, "a web page"],
  [/^PK/, "a ZIP archive"],
];

/** What a file is by its first bytes, as in "a GIF file". */
export function formatName(bytes: Uint8Array): string {
  if (bytes.length === 0) return "empty";
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  return FORMATS.find(([pattern]) => pattern.test(start))?.[1] ?? "of no known format";
}
