/** All styles, by the names that they have in files and tables. */
import type { Style } from "../picture.ts";
import { neon } from "./neon.ts";
import { night } from "./night.ts";
import { painting } from "./painting.ts";
import { photo } from "./photo.ts";
import { pixelArt } from "./pixel_art.ts";
import { sketch } from "./sketch.ts";
import { stone } from "./stone.ts";
import { watercolour } from "./watercolour.ts";

export const STYLES = {
  photo,
  sketch,
  painting,
  pixel: pixelArt,
  neon,
  watercolour,
  stone,
  night,
} as const satisfies Record<string, Style>;

export type StyleName = keyof typeof STYLES;

export const STYLE_NAMES = Object.keys(STYLES) as StyleName[];
