/** The CLIP models of a run, looked into before there is a device. */
import { basename } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { Architecture } from "../clip/architecture.ts";
import { openClipFile } from "../clip/mod.ts";
import { fillTemplates } from "../clip/templates.ts";
import { tokenize, unknownWords } from "../clip/tokenizer.ts";
import type { AdaptOptions } from "./options.ts";

/** What texts are put into; null for each model's own. */
export interface RunTemplates {
  readonly templates: readonly string[] | null;
  readonly partTemplates: readonly string[];
}

/**
 * Sees that every model that counts can be opened and can read the texts, and that one of them suits
 * the texture loss where that counts. Returns what the user should know of them, a line each.
 *
 * Throws a CheckpointError or UserError.
 */
export async function checkClips(options: AdaptOptions, given: RunTemplates): Promise<string[]> {
  const { clips, source, targets, lambdas, textureClip } = options;
  const texts = [...source === "" ? [] : [source], ...targets.map(({ text }) => text)];
  const notes: string[] = [];
  let hasResNet = false;
  for (const { path, weight } of clips) {
    if (weight === 0) continue;
    using file = await openClipFile(path);
    hasResNet ||= isResNet(file.architecture);
    const templates = given.templates ?? file.templates;
    const parts = lambdas.patch === 0 ? [] : given.partTemplates;
    const unknown = texts.flatMap((text) => unknownWords(text, file.architecture.text.vocabulary));
    if (unknown.length > 0) {
      notes.push(`"${basename(path)}" knows few words; it passes over: ${unknown.join(", ")}`);
    }
    for (const text of texts) {
      const filled = [text, ...fillTemplates(text, parts)]
        .flatMap((each) => fillTemplates(each, templates));
      filled.forEach((each) => tokenize(each, file.architecture.text));
    }
  }
  if (lambdas.texture === 0) return notes;
  if (textureClip !== null) {
    using file = await openClipFile(textureClip);
    if (isResNet(file.architecture)) return notes;
    throw new UserError(
      `Cannot use "${file.file}" for the texture loss: it has a vision transformer, a ResNet is ` +
        `needed, such as RN50`,
    );
  }
  if (hasResNet) return notes;
  throw new UserError(
    "Cannot compute the texture loss: no CLIP model has a ResNet; name one, such as RN50, with " +
      "--texture-clip",
  );
}

/** Whether the image tower is a ResNet, whose features the texture loss compares. */
export function isResNet({ image }: Architecture): boolean {
  return image.kind === "resnet";
}
