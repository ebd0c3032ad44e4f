/** Sentences that a class name is put into, so that no single wording decides what a text means. */
import { UserError } from "../../lib/errors.ts";

/** Where the name goes. */
const PLACE = "{}";

/** Seventy-nine ways to say that a picture shows something. */
export const TEMPLATES: readonly string[] = [
  "{}",
  "a {}.",
  "the {}.",
  "one {}.",
  "this is a {}.",
  "here is the {}.",
  "there is a {} in the scene.",
  "a picture of a {}.",
  "a picture of the {}.",
  "an image of a {}.",
  "an image of the {}.",
  "a view of a {}.",
  "a view of the {}.",
  "a depiction of a {}.",
  "a portrayal of the {}.",
  "a representation of a {}.",
  "a photo of a {}.",
  "a photograph of the {}.",
  "a colour photograph of a {}.",
  "a monochrome photograph of a {}.",
  "a studio photograph of the {}.",
  "an amateur photograph of a {}.",
  "a professional photograph of a {}.",
  "an old photograph of the {}.",
  "a recent photograph of a {}.",
  "a candid shot of a {}.",
  "a wide shot of the {}.",
  "a long exposure of a {}.",
  "a snapshot of the {}.",
  "a close view of a {}.",
  "a close view of the {}.",
  "a distant view of a {}.",
  "a front view of the {}.",
  "a side view of a {}.",
  "a {} seen from above.",
  "the {} seen from below.",
  "a centred picture of the {}.",
  "a tightly framed picture of a {}.",
  "a tilted picture of a {}.",
  "a {} that fills the frame.",
  "a {} in the background.",
  "part of a {}.",
  "a whole {}.",
  "a sharp picture of a {}.",
  "a soft picture of the {}.",
  "an out of focus picture of a {}.",
  "a grainy picture of the {}.",
  "a noisy picture of a {}.",
  "a heavily compressed picture of a {}.",
  "a highly detailed picture of the {}.",
  "a tiny picture of a {}.",
  "a bright picture of the {}.",
  "a dim picture of a {}.",
  "a {} in daylight.",
  "the {} at night.",
  "a {} under a lamp.",
  "a backlit {}.",
  "a {} in fog.",
  "a pale picture of a {}.",
  "a colourful picture of the {}.",
  "a {} on a plain background.",
  "a {} in a busy scene.",
  "a {} indoors.",
  "the {} outdoors.",
  "a small {}.",
  "a big {}.",
  "a beautiful {}.",
  "an ugly {}.",
  "an unusual {}.",
  "an ordinary {}.",
  "a clean {}.",
  "a worn {}.",
  "my own {}.",
  "somebody's {}.",
  "many of the {}.",
  "a drawing of the {}.",
  "a print of a {}.",
  "a poster with a {}.",
  "a frame from a film with the {}.",
];

/** The texts for a class name such as "sketch", one a template. */
export function fillTemplates(name: string, templates: readonly string[] = TEMPLATES): string[] {
  return templates.map((template) => template.replaceAll(PLACE, () => name));
}

/**
 * The templates of a file: one a line, each with "{}" where the name goes; empty lines do not
 * count. `file` names it in the UserError for a line without "{}", or a file without templates.
 */
export function parseTemplates(content: string, file: string): string[] {
  const templates: string[] = [];
  content.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).forEach((line, i) => {
    const template = line.trim();
    if (template === "") return;
    if (!template.includes(PLACE)) {
      throw new UserError(
        `Cannot use the templates of "${file}": line ${i + 1}, "${template.slice(0, 60)}", has ` +
          `no "${PLACE}"; put it where the class name goes, as in "a photo of a ${PLACE}."`,
      );
    }
    templates.push(template);
  });
  if (templates.length === 0) {
    throw new UserError(
      `Cannot use the templates of "${file}": it has none; write one a line, such as ` +
        `"a photo of a ${PLACE}."`,
    );
  }
  return templates;
}
