/** A scene to layers: a person's head and shoulders, drawn from back to front. */
import { presence, type Scene, SHARES } from "./attributes.ts";
import { BACKGROUND, colourAt, HAIR, mix, type Rgb, scaled, SHIRT, SKIN } from "./colours.ts";
import { emptyLayers, type Layers, paint, type Surface } from "./layers.ts";
import {
  above,
  bow,
  circle,
  difference,
  ellipse,
  intersection,
  rim,
  roundedBox,
  type Shape,
  turned,
  union,
} from "./shapes.ts";

/** What the parts of a face share. Lengths in units of half the picture's side. */
interface Pose {
  readonly skin: Rgb;
  readonly hair: Rgb;
  /** Half the width of the head. */
  readonly width: number;
  /** How far a feature at the front of the head has moved to the right. */
  readonly shift: number;
  /** Draws a shape that stands upright on the head, which may be tilted. */
  draw(shape: Shape, surface: Surface): void;
}

const HEAD_Y = -0.04;
const HEAD_HEIGHT = 0.52;
const NECK: readonly [number, number] = [0, 0.56];
const MAX_TILT = 0.16;
const MAX_SHIFT = 0.1;

const WHITE: Rgb = [0.99, 0.98, 0.96];
const INK: Rgb = [0.1, 0.07, 0.09];
const LIPS: Rgb = [0.84, 0.36, 0.36];

/** Draws a scene at `size` x `size` pixels. */
export function drawFace(scene: Scene, size = 64): Layers {
  const layers = emptyLayers(size);
  drawBackground(layers, colourAt(BACKGROUND, scene.background));
  const angle = MAX_TILT * (2 * scene.tilt - 1);
  const pose: Pose = {
    skin: colourAt(SKIN, scene.skin),
    hair: colourAt(HAIR, scene.hairColour),
    width: 0.39 + 0.1 * scene.faceWidth,
    shift: MAX_SHIFT * (2 * scene.yaw - 1),
    draw: (shape, surface) => paint(layers, turned(shape, angle, NECK), surface),
  };
  drawHairBehind(pose, scene.hairLength);
  drawBody(layers, pose, colourAt(SHIRT, scene.shirt));
  drawHead(pose);
  drawBeard(pose, presence(scene.beard, SHARES.beard));
  drawMouth(pose, scene.smile, scene.openMouth);
  drawNose(pose);
  const eye = 0.085 + 0.05 * scene.eyeSize;
  drawEyes(pose, eye);
  drawFringe(pose);
  drawGlasses(pose, presence(scene.glasses, SHARES.glasses));
  drawHat(pose, presence(scene.hat, SHARES.hat), colourAt(SHIRT, scene.shirt));
  return layers;
}

/** One colour, lighter in the upper left where the light is. */
function drawBackground({ size, albedo }: Layers, colour: Rgb): void {
  const plane = size * size;
  for (let row = 0, i = 0; row < size; row++) {
    for (let column = 0; column < size; column++, i++) {
      const light = 1.08 - 0.2 * (row + 0.5 * column) / (1.5 * size);
      for (let c = 0; c < 3; c++) albedo[c * plane + i] = Math.min(1, colour[c]! * light);
    }
  }
}

function drawHairBehind({ draw, hair, width, shift }: Pose, length: number): void {
  const bottom = 0.02 + 0.78 * length;
  const top = HEAD_Y - HEAD_HEIGHT - 0.07;
  const shape = roundedBox(
    [-0.3 * shift, (top + bottom) / 2],
    [width + 0.05 + 0.09 * length, (bottom - top) / 2],
    Math.min(width + 0.08, (bottom - top) / 2),
  );
  draw(shape, { colour: scaled(hair, 0.82), line: 1, height: 0.1, bulge: 0.2, round: 0.25 });
}

/** Neck, shoulders and shirt; they stay where they are when the head tilts. */
function drawBody(layers: Layers, { skin }: Pose, shirt: Rgb): void {
  const shoulders = ellipse(0, 1.12, 0.74, 0.5);
  const neck = roundedBox([0, 0.56], [0.15, 0.22], 0.1);
  paint(layers, shoulders, { colour: shirt, line: 1, height: 0.1, bulge: 0.25, round: 0.3 });
  const collar = ellipse(0, 0.66, 0.24, 0.14);
  paint(layers, collar, { colour: scaled(shirt, 0.72), line: 0.8 });
  const skinBelow = { colour: scaled(skin, 0.8), height: 0.2, bulge: 0.1 };
  paint(layers, union(neck, ellipse(0, 0.66, 0.17, 0.1), 0.05), skinBelow);
}

function drawHead({ draw, skin, width, shift }: Pose): void {
  for (const side of [-1, 1]) {
    const ear = ellipse(side * width - 0.4 * shift, 0.0, 0.085, 0.115);
    draw(ear, { colour: scaled(skin, 0.9), line: 1, height: 0.2, bulge: 0.1, round: 0.08 });
  }
  const skull = ellipse(0, HEAD_Y - 0.06, width, HEAD_HEIGHT - 0.06);
  const jaw = ellipse(0.3 * shift, HEAD_Y + 0.14, 0.82 * width, HEAD_HEIGHT - 0.14);
  draw(union(skull, jaw, 0.1), {
    colour: skin,
    line: 1,
    height: 0.3,
    bulge: 0.4,
    round: 0.45,
  });
  const blush = mix(skin, [0.95, 0.35, 0.35], 0.42);
  for (const side of [-1, 1]) {
    const cheek = ellipse(side * 0.62 * width + 0.9 * shift, 0.16, 0.1, 0.075);
    draw(cheek, { colour: blush, opacity: 0.7, soft: 0.14 });
  }
}

function drawBeard({ draw, hair, width, shift }: Pose, amount: number): void {
  const chin = ellipse(0.35 * shift, HEAD_Y + 0.14, 0.84 * width, HEAD_HEIGHT - 0.12);
  const face = ellipse(0.7 * shift, 0.02, 0.78 * width, 0.24);
  const beard = difference(chin, union(face, above(0.08)));
  draw(beard, {
    colour: hair,
    opacity: amount,
    line: 0.9,
    height: 0.45,
    bulge: 0.2,
    round: 0.15,
  });
}

/** From a frown to a broad smile, and from closed lips to an open mouth with teeth. */
function drawMouth({ draw, shift }: Pose, smile: number, open: number): void {
  const x = 0.95 * shift;
  const y = 0.265;
  const sag = -0.02 + 0.13 * smile;
  const gap = Math.max(0, open - 0.45) / 0.55;
  const halfWidth = 0.15 + 0.05 * smile;
  const middle = y - 0.45 * sag;
  const lips = bow([x, middle], halfWidth, { sag, thickness: 0.034 + 0.05 * gap });
  draw(lips, { colour: LIPS, line: 0.6 });
  const inside = bow([x, middle], halfWidth - 0.02, { sag, thickness: 0.012 + 0.046 * gap });
  draw(inside, { colour: mix([0.5, 0.12, 0.15], [0.36, 0.05, 0.09], gap), line: 0.5 });
  if (gap > 0) {
    const teeth = bow([x, middle - 0.035 * gap], halfWidth - 0.045, {
      sag,
      thickness: 0.025 * gap,
    });
    draw(teeth, { colour: WHITE, opacity: Math.min(1, 3 * gap) });
  }
}

function drawNose({ draw, skin, shift }: Pose): void {
  const shade = scaled(skin, 0.78);
  draw(ellipse(1.35 * shift, 0.1, 0.06, 0.045), { colour: shade, line: 0.5, soft: 0.03 });
  const bridge = union(ellipse(1.3 * shift, 0.0, 0.035, 0.12), circle(1.35 * shift, 0.085, 0.05));
  draw(bridge, { colour: mix(skin, WHITE, 0.18), height: 0.72, bulge: 0.12, soft: 0.05 });
}

const EYE_Y = -0.08;

/** Where an eye is: -1 for the left one, 1 for the right one. */
function eyeX({ width, shift }: Pose, side: number): number {
  return side * 0.42 * width + shift;
}

function drawEyes(pose: Pose, radius: number): void {
  const { draw, hair, shift } = pose;
  for (const side of [-1, 1]) {
    const x = eyeX(pose, side);
    draw(ellipse(x, EYE_Y, 1.12 * radius, radius), {
      colour: WHITE,
      line: 1,
      height: 0.72,
      bulge: 0.06,
      round: 0.1,
    });
    const look = x + 0.25 * shift;
    draw(circle(look, EYE_Y + 0.01, 0.68 * radius), { colour: INK, line: 0.6 });
    draw(circle(look - 0.03, EYE_Y - 0.025, 0.3 * radius), { colour: WHITE });
    const brow = bow([x, EYE_Y - radius - 0.06], 0.11, { sag: -0.035, thickness: 0.024 });
    draw(brow, { colour: scaled(hair, 0.8), line: 0.7, height: 0.75 });
  }
}

/** The hair that falls over the forehead. */
function drawFringe({ draw, hair, width, shift }: Pose): void {
  const cap = ellipse(-0.2 * shift, HEAD_Y - 0.06, width + 0.045, HEAD_HEIGHT + 0.02);
  const forehead = ellipse(0.1 + 0.6 * shift, 0.02, width - 0.0, 0.38);
  draw(intersection(difference(cap, forehead), above(-0.08)), {
    colour: hair,
    line: 1,
    height: 0.5,
    bulge: 0.25,
    round: 0.2,
  });
}

function drawGlasses(pose: Pose, amount: number): void {
  const { draw, shift, width } = pose;
  const frame = { colour: INK, opacity: amount, line: 1, height: 0.85 };
  for (const side of [-1, 1]) {
    const x = eyeX(pose, side);
    const lens = ellipse(x, EYE_Y + 0.01, 0.155, 0.145);
    draw(lens, { colour: [0.8, 0.93, 1], opacity: 0.25 * amount, soft: 0.02 });
    draw(rim(lens, 0.024), frame);
    const arm = bow(
      [side * (0.42 * width + 0.14) / 2 + side * 0.5 * width + 0.3 * shift, EYE_Y],
      0.05,
      {
        sag: 0,
        thickness: 0.02,
      },
    );
    draw(arm, frame);
  }
  draw(bow([shift, EYE_Y], 0.42 * width - 0.145, { sag: -0.03, thickness: 0.022 }), frame);
}

/** A woollen hat in a darker shade of the shirt, with a bobble. */
function drawHat({ draw, width, shift }: Pose, amount: number, shirt: Rgb): void {
  const x = -0.15 * shift;
  const wool = mix(shirt, [1, 1, 1], 0.12);
  const relief = { opacity: amount, line: 1, height: 0.55, bulge: 0.3, round: 0.3 };
  draw(circle(x, -0.82, 0.1), { ...relief, colour: WHITE });
  const dome = intersection(ellipse(x, -0.36, width + 0.08, 0.44), above(-0.36));
  draw(dome, { ...relief, colour: wool });
  const band = roundedBox([x, -0.36], [width + 0.1, 0.075], 0.07);
  draw(band, { ...relief, colour: scaled(wool, 0.75), height: 0.8, bulge: 0.15, round: 0.07 });
}
