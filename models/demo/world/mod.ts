/** A small world of faces in which the truth is known: for every latent, its picture in any style. */
import { sceneFromLatent } from "./attributes.ts";
import { drawFace } from "./face.ts";
import type { Picture } from "./picture.ts";
import { type StyleName, STYLES } from "./styles/mod.ts";

export * from "./attributes.ts";
export { type Caption, caption, fill } from "./captions.ts";
export { drawFace } from "./face.ts";
export { type Picture, toImage } from "./picture.ts";
export { STYLE_NAMES, type StyleName, STYLES } from "./styles/mod.ts";
export * from "./words.ts";

/** What a generator should draw for z `[64]`: `[3, size, size]` from 0 to 1. */
export function truth(z: ArrayLike<number>, style: StyleName, size = 64): Picture {
  return STYLES[style](drawFace(sceneFromLatent(z), size));
}
