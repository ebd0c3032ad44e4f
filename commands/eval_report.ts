/** What `nada eval` says: a table for people, JSON for programs, and a picture. */
import { join } from "node:path";
import { writeFileAtomic } from "../lib/files.ts";
import { encodePng, imageGrid } from "../lib/image/mod.ts";
import { VERSION } from "../lib/version.ts";
import type { ResizeVariant } from "../models/clip/mod.ts";
import {
  CLUSTER_SEED,
  CLUSTERS,
  type Evaluation,
  LPIPS_SIDE,
  type ShortFigures,
} from "../models/nada/eval/mod.ts";
import { pictureText } from "../models/nada/picture_text.ts";
import { fieldLines, printable, shorten } from "./layout.ts";
import { makeFolder } from "./output.ts";

/** What was judged, and how. Files go by their names without folders. */
export interface EvalAbout {
  readonly source: string;
  readonly target: string;
  readonly seeds: readonly number[];
  readonly truncation: number;
  readonly clipResize: ResizeVariant;
  readonly templates: string;
  readonly generator: string;
  readonly generatorSha256: string;
  /** What its images show, where they are of classes. */
  readonly class?: number;
  readonly adapted: string;
  readonly adaptedSha256: string;
  /** Of the CLIP models, in the order of their figures. */
  readonly clipSha256: readonly string[];
  /** Of the files with the weights of LPIPS. */
  readonly lpipsSha256: readonly string[];
}

export interface EvalFiles {
  readonly report: string;
  readonly picture: string;
}

/** Writes `eval.json` and `samples.png`; returns the content of the first and the names of both. */
export async function writeReport(out: string, evaluation: Evaluation, about: EvalAbout) {
  await makeFolder(out);
  const written: EvalFiles = { report: join(out, "eval.json"), picture: join(out, "samples.png") };
  const report = reportOf(evaluation, about);
  await writeFileAtomic(written.picture, await pictureOf(evaluation, about));
  await writeFileAtomic(written.report, `${JSON.stringify(report, null, 2)}\n`);
  return { report, written };
}

function reportOf(
  { clips, lpips, sharpness, examples }: Evaluation,
  { seeds, clipSha256, lpipsSha256, ...about }: EvalAbout,
) {
  return {
    nada: VERSION,
    ...about,
    samples: seeds.length,
    seeds: formatSeeds(seeds),
    noise: "const",
    clusters: { method: "k-medoids", k: CLUSTERS, seed: CLUSTER_SEED, distance: "1 - cosine" },
    clips: clips.map((figures, i) => ({ ...figures, clipSha256: clipSha256[i]! })),
    lpips: lpips && { ...lpips, side: LPIPS_SIDE, sha256: lpipsSha256 },
    sharpness,
    examples: examples.map(({ images: _, ...figures }) => figures),
  };
}

async function pictureOf({ examples }: Evaluation, about: EvalAbout): Promise<Uint8Array> {
  const { source, target, seeds, truncation } = about;
  const rows = [
    examples.map(({ images }) => ({ image: images.before })),
    examples.map(({ images, directionAgreement }) => ({
      image: images.after,
      caption: directionAgreement.toFixed(4),
    })),
  ];
  const grid = await imageGrid(rows, {
    title: `${source} → ${target}`,
    subtitle: `direction agreement, ${seeds.length} samples, truncation ${truncation}`,
    columns: examples.map(({ rank, seed }) => `${rank}: seed ${seed}`),
    rows: ["before", "after"],
  });
  const { generator, generatorSha256, adapted, adaptedSha256, class: ofClass } = about;
  const text = pictureText({
    seeds: examples.map(({ seed }) => seed),
    truncation,
    noise: "const",
    ...{ generator, generatorSha256, adapted, adaptedSha256, strength: 1, source, target },
    ...ofClass !== undefined && { class: ofClass },
  });
  return encodePng(grid, text);
}

/** The report for people, no wider than `width`, but at least as the table is: 62 columns. */
export function printed(
  { clips, lpips, sharpness }: Evaluation,
  about: EvalAbout,
  files: EvalFiles,
  width: number,
): string {
  const { source, target, seeds, truncation, class: ofClass } = about;
  const fields = [
    ["Adapted", `${source} → ${target}`],
    ["Samples", `${seeds.length}, seeds ${formatSeeds(seeds)}, truncation ${truncation}`],
    ...ofClass === undefined ? [] : [["Class", String(ofClass)] as const],
    ["Clusters", `${CLUSTERS} around medoids, seed ${CLUSTER_SEED}`],
  ];
  const heads = ["before", "after", "ratio", "worst"].map((head) => head.padStart(COLUMN));
  return [
    ...fieldLines(fields.map(([name, value]) => [name, printable(value)]), width),
    "",
    " ".repeat(NAME) + heads.join(""),
    ...clips.flatMap(({ clip, directionAgreement, targetSimilarity, diversity, contentKept }) => [
      shorten(printable(clip), width),
      row("direction agreement", { after: directionAgreement.mean, ...directionAgreement }),
      row("similarity to target", targetSimilarity),
      row("diversity", diversity),
      row("content kept", { after: contentKept.mean, ...contentKept }),
    ]),
    ...lpips
      ? [
        `LPIPS with ${lpips.backbone}`,
        row("diversity", lpips.diversity),
        row("drift", { after: lpips.drift.mean, ...lpips.drift }),
      ]
      : [],
    "Images",
    row("sharpness", sharpness),
    "",
    ...fieldLines([["Report", files.report], ["Picture", files.picture]], width),
  ].join("\n");
}

/** A line for each CLIP model, of what `evaluateShort` found. */
export function printedShort(figures: readonly ShortFigures[], width: number): string[] {
  const rows = figures.map(({ clip, directionAgreement, contentKept }) => ({
    name: printable(clip),
    text: `direction agreement ${cell(directionAgreement.mean)}, ` +
      `content kept ${cell(contentKept.mean)}`,
  }));
  const longest = Math.max(...rows.map(({ name }) => name.length));
  const left = Math.min(...rows.map(({ text }) => width - text.length - 2));
  const column = Math.min(longest, left);
  return rows.map(({ name, text }) => `${shorten(name, column).padEnd(column)}  ${text}`);
}

/** Columns of names, and of each number. */
const NAME = 24;
const COLUMN = 9;

interface Cells {
  readonly before?: number;
  readonly after: number;
  readonly ratio?: number;
  readonly worst?: number;
}

function row(name: string, { before, after, ratio, worst }: Cells): string {
  const cells = [before, after, ratio, worst].map((value) => cell(value).padStart(COLUMN));
  return `  ${name}`.padEnd(NAME) + cells.join("").trimEnd();
}

/** Four digits behind the point, fewer where there are many before it. */
function cell(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toFixed(Math.abs(value) < 10 ? 4 : 1);
}

/** "0-255", as `parseSeeds` reads it. */
export function formatSeeds(seeds: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const seed of seeds) {
    const range = ranges.at(-1);
    if (range && seed === range[1] + 1) range[1] = seed;
    else ranges.push([seed, seed]);
  }
  return ranges.map(([first, last]) => first === last ? first : `${first}-${last}`).join(",");
}
