/** Colours: red, green and blue from 0 to 1 as on the screen, and where the scene takes them from. */
export type Rgb = readonly [red: number, green: number, blue: number];

export interface NamedColour {
  readonly name: string;
  readonly rgb: Rgb;
}

/** The colours that an attribute runs through from quantile 0 to 1. */
export const SKIN: readonly NamedColour[] = [
  { name: "pale", rgb: [1.0, 0.86, 0.76] },
  { name: "light", rgb: [0.96, 0.76, 0.61] },
  { name: "tan", rgb: [0.82, 0.58, 0.4] },
  { name: "brown", rgb: [0.66, 0.44, 0.3] },
  { name: "dark", rgb: [0.48, 0.31, 0.22] },
];

export const HAIR: readonly NamedColour[] = [
  { name: "black", rgb: [0.11, 0.09, 0.11] },
  { name: "brown", rgb: [0.36, 0.2, 0.1] },
  { name: "red", rgb: [0.76, 0.27, 0.08] },
  { name: "blond", rgb: [0.95, 0.77, 0.33] },
  { name: "white", rgb: [0.9, 0.9, 0.92] },
];

export const BACKGROUND: readonly NamedColour[] = [
  { name: "pink", rgb: [0.95, 0.6, 0.68] },
  { name: "orange", rgb: [0.97, 0.69, 0.42] },
  { name: "yellow", rgb: [0.99, 0.89, 0.5] },
  { name: "green", rgb: [0.54, 0.79, 0.52] },
  { name: "teal", rgb: [0.36, 0.74, 0.74] },
  { name: "blue", rgb: [0.42, 0.61, 0.89] },
  { name: "purple", rgb: [0.64, 0.52, 0.84] },
];

export const SHIRT: readonly NamedColour[] = [
  { name: "red", rgb: [0.83, 0.2, 0.2] },
  { name: "yellow", rgb: [0.93, 0.71, 0.16] },
  { name: "green", rgb: [0.18, 0.58, 0.32] },
  { name: "blue", rgb: [0.16, 0.36, 0.74] },
  { name: "purple", rgb: [0.48, 0.24, 0.62] },
];

/** Index of the colour nearest to a quantile. */
export function colourIndex(colours: readonly NamedColour[], quantile: number): number {
  return Math.min(colours.length - 1, Math.floor(quantile * colours.length));
}

/**
 * The colour at a quantile: every colour of the list has an equal share, and goes over into its
 * neighbours smoothly.
 */
export function colourAt(colours: readonly NamedColour[], quantile: number): Rgb {
  const position = Math.min(colours.length - 1, Math.max(0, quantile * colours.length - 0.5));
  const first = Math.min(colours.length - 2, Math.floor(position));
  const t = position - first;
  return mix(colours[first]!.rgb, colours[first + 1]!.rgb, t * t * (3 - 2 * t));
}

/** a where t is 0, b where t is 1. */
export function mix(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** The colour times a factor. */
export function scaled([r, g, b]: Rgb, factor: number): Rgb {
  return [r * factor, g * factor, b * factor];
}

/** How bright the eye takes a colour for, from 0 to 1. */
export function luminance(r: number, g: number, b: number): number {
  return 0.3 * r + 0.59 * g + 0.11 * b;
}
