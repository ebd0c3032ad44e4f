import type { Command } from "commander";
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { BAR, judge } from "../models/demo/eval/judgement.ts";
import { cells } from "../models/demo/eval/format.ts";
import type { Figures } from "../models/demo/eval/figures.ts";
import { readResults, type Results, type StyleResult } from "../models/demo/eval/results.ts";
import { STYLE_NAMES, STYLE_WORDS, UNSEEN_STYLE_NAMES } from "../models/demo/world/mod.ts";
import { reportWidth, wrap } from "./layout.ts";

interface Flags {
  readonly json?: boolean;
}

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--json", "print all figures as JSON")
    .action(async ({ json }: Flags) => {
      const results = await readResults();
      const lines = json
        ? [JSON.stringify({ source: SOURCE, bar: BAR, targets: targets(results), results })]
        : demoLines(results, reportWidth());
      console.log(lines.join("\n"));
    });
}

const SOURCE = STYLE_WORDS.photo[0]!;

/** The same people in each style, as `deno task demo:eval` draws them; not in the binary. */
const PICTURES = fileURLToPath(new URL("../docs/demo-styles.webp", import.meta.url));

function targets(results: Results | null) {
  const styles = STYLE_NAMES.filter((style) => style !== "photo");
  const known = [
    ...styles.map((style) => STYLE_WORDS[style]),
    ...Object.values(UNSEEN_STYLE_NAMES).map((name) => [name]),
  ];
  return known.map(([target, ...names]) => {
    const figures = figuresOf(results, target!);
    return {
      target: target!,
      names,
      judgement: figures.adapted ? judge(figures.adapted) : null,
      ...figures,
    };
  });
}

function figuresOf(
  results: Results | null,
  target: string,
): Partial<StyleResult["figures"]> {
  return results?.styles.find((result) => result.target === target)?.figures ?? {};
}

/** What the demo can be adapted to and how well that went, in lines of at most `width` columns. */
export function demoLines(results: Results | null, width: number): string[] {
  const block = targets(results).flatMap(({ target, names, judgement, adapted, supervised }) => [
    ...wrap(names.length > 0 ? `${target} (${names.join(", ")})` : target, width),
    ...adapted ? [`  ${judgement}: ${sentence(adapted)}`] : [],
    ...supervised ? [`  shown the truth: ${sentence(supervised)}`] : [],
  ]);
  const paragraphs = [
    `nada adapt --target TARGET takes the demo's faces from "${SOURCE}" to one of these, which ` +
    `also go by the names in brackets. Those without any are in no text that its CLIP learned from:`,
    block,
    ...results ? [explanation(results)] : [],
    ...existsSync(PICTURES) ? [`Pictures: ${relative(Deno.cwd(), PICTURES)}`] : [],
  ];
  return paragraphs.flatMap((text, i) => [
    ...i > 0 ? [""] : [],
    ...typeof text === "string" ? wrap(text, width) : text,
  ]);
}

function sentence(figures: Figures): string {
  const [share, , content, diversity] = cells(figures);
  return `style ${share}, content ${content}, diversity ${diversity}`;
}

function explanation({ samples, steps }: Results): string {
  const percent = (share: number) => `${100 * share} %`;
  const [least, most] = BAR.diversity;
  return `Measured on ${samples} latents after ${steps} steps. Style: pictures that a classifier ` +
    `apart from CLIP gives to the target. Content: pictures whose own true picture is the nearest ` +
    `among 64. Diversity: distance of two pictures over that of two true ones. Convincing is ` +
    `style from ${percent(BAR.share)}, content from ${percent(BAR.content)} and diversity from ` +
    `${least} to ${most}. "Shown the truth" is the same training on true pictures in place of ` +
    `texts: what is within reach.`;
}
