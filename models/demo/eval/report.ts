/** An evaluation for people: a table, and for each style a sheet of pictures. */
import { encodeImage, encodePng, imageGrid } from "../../../lib/image/mod.ts";
import { type Picture, toImage } from "../world/mod.ts";
import type { Assessment } from "./assessment.ts";
import { type Candidate, CANDIDATES } from "./candidates.ts";
import type { StyleClassifier } from "./classifier.ts";
import type { ClipFigures } from "./clip_figures.ts";
import { cells, percent } from "./format.ts";
import { judge } from "./judgement.ts";
import type { StyleResult } from "./results.ts";

const SHOWN = 8;

export function assessmentLines({ scenes, accuracy, fooled }: Assessment): string[] {
  const worst = (shares: Readonly<Record<string, number>>) => {
    const [style, share] = Object.entries(shares).reduce((a, b) => b[1] > a[1] ? b : a);
    return `${percent(share)} at most (${style})`;
  };
  return [
    `Style classifier: ${percent(accuracy)} of true renderings of ${scenes} held-out scenes right.`,
    `Photos in the tone of a style that pass for it: tinted ${worst(fooled.tinted)}, recoloured ` +
    `${worst(fooled.recoloured)}.`,
  ];
}

/** What the CLIP knows, and for each style where its gradient leads. */
export function clipLines({ scenes, style, attributes, alignment }: ClipFigures): string[] {
  const named = Object.entries(attributes).map(([name, { photos, styled }]) =>
    `  ${name.padEnd(13)}${percent(photos)} of photos, ${percent(styled)} in other styles`
  );
  const leads = Object.entries(alignment).map(([name, { photo, blend }]) =>
    `  ${name.padEnd(13)}${photo.toFixed(2)} at the photo, ${blend.toFixed(2)} at a 30 % blend`
  );
  return [
    `CLIP on ${scenes} held-out scenes: ${percent(style)} of styles right, and of attributes:`,
    ...named,
    "Cosine of its gradient and the true change:",
    ...leads,
  ];
}

export const TABLE_HEAD = row(["", "", "classifier", "Fréchet", "content", "diversity", ""]);

/** A line for each candidate. */
export function styleLines({ target, figures }: StyleResult): string[] {
  return CANDIDATES.flatMap((candidate) => {
    const found = figures[candidate];
    if (!found) return [];
    const word = candidate === "adapted" ? judge(found) : "";
    return [row([candidate === "before" ? target : "", candidate, ...cells(found), word])];
  });
}

/** Rows of candidates with the truth below, under each picture what the classifier says. */
export async function sheet(
  { target }: StyleResult,
  drawn: ReadonlyMap<Candidate, readonly Picture[]>,
  truth: readonly Picture[],
  classifier: StyleClassifier,
): Promise<Uint8Array> {
  const rows = new Map<string, readonly Picture[]>([...drawn, ["truth", truth]]);
  const grid = await imageGrid(
    [...rows.values()].map((pictures) =>
      pictures.slice(0, SHOWN).map((picture) => ({
        image: toImage(picture),
        caption: classifier.classify(picture),
      }))
    ),
    { title: target, subtitle: "below each: its style by the classifier", rows: [...rows.keys()] },
  );
  return encodePng(grid);
}

/** What became of the same people, as WebP: a row for each target, with the photos above. */
export async function overview(rows: ReadonlyMap<string, readonly Picture[]>): Promise<Uint8Array> {
  const cells = [...rows.values()].map((pictures) =>
    pictures.slice(0, SHOWN).map((picture) => ({ image: toImage(picture) }))
  );
  return await encodeImage(await imageGrid(cells, { rows: [...rows.keys()] }), "webp");
}

function row([target, candidate, ...rest]: readonly string[]): string {
  const [share, frechet, content, diversity, word] = rest;
  const numbers = [share, frechet, content, diversity].map((text) => text!.padStart(11));
  return `${target!.padEnd(19)}${candidate!.padEnd(11)}${numbers.join("")}  ${word}`.trimEnd();
}
