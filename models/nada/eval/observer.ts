/** A CLIP model that looks at images, and what the texts mean to it. */
import { UserError } from "../../../lib/errors.ts";
import type { Clip } from "../../clip/clip.ts";
import { fillTemplates } from "../../clip/templates.ts";
import { textDirection } from "../text_direction.ts";
import { meanDirection, unitVector } from "../vectors.ts";

export interface Observer {
  /** What it is called in reports. */
  readonly name: string;
  readonly clip: Clip;
  /** Unit vector `[d]` along which images should have moved. */
  readonly direction: Float32Array;
}

export interface TextObserver extends Observer {
  /** Mean features of the target text, a unit vector `[d]`. */
  readonly target: Float32Array;
}

/** Two texts, and the sentences that each is put into. */
export interface ObservedTexts {
  readonly source: string;
  readonly target: string;
  readonly templates: readonly string[];
}

/** Encodes the texts. Throws a UserError where the model sees no difference between them. */
export async function textObserver(
  name: string,
  clip: Clip,
  { source, target, templates }: ObservedTexts,
): Promise<TextObserver> {
  const features = await clip.encodeTexts(
    [source, target].flatMap((text) => fillTemplates(text, templates)),
  );
  const from = features.slice(0, templates.length);
  const to = features.slice(templates.length);
  const direction = textDirection(from, to);
  if (!direction.every(Number.isFinite)) {
    throw new UserError(
      `Cannot judge the way from "${source}" to "${target}": the CLIP model "${name}" gives both ` +
        `texts the same features; pass other texts with --source and --target`,
    );
  }
  return { name, clip, direction, target: unitVector(meanDirection(to)) };
}

/** Names for models by their paths: the last part, and of the folders as many as tell them apart. */
export function observerNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[\\/]/).filter((part) => part !== ""));
  const longest = Math.max(...parts.map(({ length }) => length));
  for (let count = 1;; count++) {
    const names = parts.map((each) => each.slice(-count).join("/"));
    if (new Set(names).size === names.length || count >= longest) return names;
  }
}
