/** Pictures in a terminal: two pixels a character, the upper in front of the lower. */
import { resizeBicubic, type RgbImage } from "../lib/image/mod.ts";

const RESET = "\x1b[0m";

/** The picture in lines of so many columns, of 24-bit colours. */
export function pictureLines(image: RgbImage, columns: number): string[] {
  const rows = 2 * Math.max(1, Math.round(columns * image.height / image.width / 2));
  const { data } = resizeBicubic(image, columns, rows);
  const colour = (x: number, y: number) => {
    const at = 3 * (y * columns + x);
    return data.subarray(at, at + 3).join(";");
  };
  return Array.from({ length: rows / 2 }, (_, line) => {
    const cells = Array.from(
      { length: columns },
      (_, x) => `\x1b[38;2;${colour(x, 2 * line)};48;2;${colour(x, 2 * line + 1)}m▀`,
    );
    return cells.join("") + RESET;
  });
}

/** Whether pictures can be shown: on a terminal that is not told to be without colours. */
export function showsPictures(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor;
}
