import type { Canvas, CanvasKit, Paragraph, TypefaceFontProvider } from "canvaskit-wasm";

import { loadCanvasKit } from "./canvaskit.ts";
import type { RgbImage } from "./image.ts";

/** A colour as in CSS: `#rrggbb`, or `#rrggbbaa` to let the ground through. */
export type Color = `#${string}`;

/** Colours of every sheet: its ground, type, and type of less weight. */
export const GROUND: Color = "#fcfcfd";
export const INK: Color = "#18181b";
export const SOFT_INK: Color = "#63636e";

export interface TextStyle {
  /** Height of the type in pixels. */
  size: number;
  color: Color;
  bold?: boolean;
  align?: "left" | "center" | "right";
  /** The last line that is shown ends in an ellipsis where text had to be cut. Default 1. */
  maxLines?: number;
}

/** Text broken into lines; `width` is that of the longest one. */
export interface TextBlock {
  readonly width: number;
  readonly height: number;
  readonly paragraph: Paragraph;
}

/** Something to draw on. Units are pixels, from the top left corner. */
export interface Sheet {
  text(block: TextBlock, x: number, y: number): void;
  rect(x: number, y: number, width: number, height: number, color: Color): void;
  /** Straight lines from point to point. */
  line(points: readonly (readonly [x: number, y: number])[], width: number, color: Color): void;
  dot(x: number, y: number, radius: number, color: Color): void;
  /** What has been drawn so far. */
  image(): RgbImage;
}

export interface Pen {
  /** Text in lines of at most `width` pixels, aligned within that width. */
  text(text: string, width: number, style: TextStyle): TextBlock;
  sheet(width: number, height: number, background: Color): Sheet;
}

/** Runs `draw` with a pen and frees what it made. Needs no permission. */
export async function withPen<T>(draw: (pen: Pen) => T): Promise<T> {
  const { kit, fonts } = await loadCanvasKit();
  const owned: Deletable[] = [];
  const own: Own = (object) => {
    owned.push(object);
    return object;
  };
  try {
    return draw({
      text: (text, width, style) => makeText(kit, fonts, own, text, width, style),
      sheet: (width, height, background) => makeSheet(kit, own, width, height, background),
    });
  } finally {
    for (const object of owned.reverse()) object.delete();
  }
}

interface Deletable {
  delete(): void;
}

/** Marks an object of the WebAssembly heap, which no garbage collector sees, for deletion. */
type Own = <O extends Deletable>(object: O) => O;

function makeText(
  kit: CanvasKit,
  fonts: TypefaceFontProvider,
  own: Own,
  text: string,
  maxWidth: number,
  { size, color, bold = false, align = "left", maxLines = 1 }: TextStyle,
): TextBlock {
  const { Left, Center, Right } = kit.TextAlign;
  const style = new kit.ParagraphStyle({
    textStyle: {
      color: kit.parseColorString(color),
      fontFamilies: ["Inter"],
      fontSize: size,
      fontStyle: { weight: bold ? kit.FontWeight.SemiBold : kit.FontWeight.Normal },
    },
    textAlign: { left: Left, center: Center, right: Right }[align],
    maxLines,
    ellipsis: "…",
  });
  const builder = own(kit.ParagraphBuilder.MakeFromFontProvider(style, fonts));
  builder.addText(text);
  const paragraph = own(builder.build());
  paragraph.layout(maxWidth);
  // Whole pixels, upwards: laid out again in its own width, it breaks where it did.
  const width = Math.ceil(paragraph.getLongestLine());
  return { width, height: Math.ceil(paragraph.getHeight()), paragraph };
}

function makeSheet(
  kit: CanvasKit,
  own: Own,
  width: number,
  height: number,
  background: Color,
): Sheet {
  const surface = kit.MakeSurface(width, height);
  if (surface === null) throw new Error(`Cannot draw: no memory for ${width}x${height} pixels`);
  own({ delete: () => surface.dispose() }); // the surface's own delete() leaves its pixels
  const canvas: Canvas = surface.getCanvas();
  canvas.clear(kit.parseColorString(background));

  const fill = own(new kit.Paint());
  fill.setAntiAlias(true);
  const stroke = own(fill.copy());
  stroke.setStyle(kit.PaintStyle.Stroke);
  stroke.setStrokeJoin(kit.StrokeJoin.Round);
  stroke.setStrokeCap(kit.StrokeCap.Round);

  return {
    text({ paragraph }, x, y) {
      canvas.drawParagraph(paragraph, x, y);
    },
    rect(x, y, width, height, color) {
      fill.setColor(kit.parseColorString(color));
      canvas.drawRect(kit.XYWHRect(x, y, width, height), fill);
    },
    line(points, width, color) {
      stroke.setColor(kit.parseColorString(color));
      stroke.setStrokeWidth(width);
      const path = new kit.Path();
      points.forEach(([x, y], i) => i === 0 ? path.moveTo(x, y) : path.lineTo(x, y));
      canvas.drawPath(path, stroke);
      path.delete();
    },
    dot(x, y, radius, color) {
      fill.setColor(kit.parseColorString(color));
      canvas.drawCircle(x, y, radius, fill);
    },
    image() {
      const rgba = canvas.readPixels(0, 0, {
        width,
        height,
        colorType: kit.ColorType.RGBA_8888,
        alphaType: kit.AlphaType.Unpremul,
        colorSpace: kit.ColorSpace.SRGB,
      });
      if (rgba === null) throw new Error("Cannot read back what was drawn");
      const data = new Uint8Array(width * height * 3);
      for (let i = 0, j = 0; i < data.length; i += 3, j += 4) {
        data[i] = rgba[j]!;
        data[i + 1] = rgba[j + 1]!;
        data[i + 2] = rgba[j + 2]!;
      }
      return { width, height, channels: 3, data };
    },
  };
}
