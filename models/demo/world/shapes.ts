/**
 * Shapes as signed distances: negative inside, zero on the outline, in units of half the picture's
 * side. x runs right and y runs down.
 */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Shape {
  distance(x: number, y: number): number;
  /** A box around everything with a negative distance. */
  readonly box: Box;
}

/** Outside a shape; cheap and near enough to the true distance close to the outline. */
export function ellipse(cx: number, cy: number, rx: number, ry: number): Shape {
  return {
    distance(x, y) {
      const u = (x - cx) / rx;
      const v = (y - cy) / ry;
      const slope = Math.sqrt((u / rx) ** 2 + (v / ry) ** 2);
      if (slope < 1e-9) return -Math.min(rx, ry);
      const reach = Math.sqrt(u * u + v * v);
      // The slope alone would make the centre of a flat ellipse infinitely deep.
      return Math.max(reach * (reach - 1) / slope, -Math.min(rx, ry));
    },
    box: { left: cx - rx, top: cy - ry, right: cx + rx, bottom: cy + ry },
  };
}

export function circle(cx: number, cy: number, radius: number): Shape {
  return {
    distance: (x, y) => Math.hypot(x - cx, y - cy) - radius,
    box: { left: cx - radius, top: cy - radius, right: cx + radius, bottom: cy + radius },
  };
}

/** A rectangle with round corners around (cx, cy), `halfWidth` and `halfHeight` from there. */
export function roundedBox(
  [cx, cy]: readonly [number, number],
  [halfWidth, halfHeight]: readonly [number, number],
  radius: number,
): Shape {
  return {
    distance(x, y) {
      const u = Math.abs(x - cx) - halfWidth + radius;
      const v = Math.abs(y - cy) - halfHeight + radius;
      return Math.hypot(Math.max(u, 0), Math.max(v, 0)) + Math.min(Math.max(u, v), 0) - radius;
    },
    box: {
      left: cx - halfWidth,
      top: cy - halfHeight,
      right: cx + halfWidth,
      bottom: cy + halfHeight,
    },
  };
}

/**
 * A bow from (cx - halfWidth, cy) to (cx + halfWidth, cy), `thickness` from its middle line to its
 * edge. Its middle lies `sag` lower than its ends.
 */
export function bow(
  [cx, cy]: readonly [number, number],
  halfWidth: number,
  { sag, thickness }: { sag: number; thickness: number },
): Shape {
  const reach = Math.abs(sag) + thickness;
  return {
    distance(x, y) {
      const u = Math.max(-1, Math.min(1, (x - cx) / halfWidth));
      const steepness = 2 * sag * u / halfWidth;
      const dy = (y - cy - sag * (1 - u * u)) / Math.sqrt(1 + steepness * steepness);
      return Math.hypot(x - cx - u * halfWidth, dy) - thickness;
    },
    box: {
      left: cx - halfWidth - thickness,
      top: cy - reach,
      right: cx + halfWidth + thickness,
      bottom: cy + reach,
    },
  };
}

/** Everything above `y`. */
export function above(y: number): Shape {
  return {
    distance: (_, py) => py - y,
    box: { left: -Infinity, top: -Infinity, right: Infinity, bottom: y },
  };
}

export function intersection(a: Shape, b: Shape): Shape {
  return {
    distance: (x, y) => Math.max(a.distance(x, y), b.distance(x, y)),
    box: {
      left: Math.max(a.box.left, b.box.left),
      top: Math.max(a.box.top, b.box.top),
      right: Math.min(a.box.right, b.box.right),
      bottom: Math.min(a.box.bottom, b.box.bottom),
    },
  };
}

/** What of `a` is not in `b`. */
export function difference(a: Shape, b: Shape): Shape {
  return { distance: (x, y) => Math.max(a.distance(x, y), -b.distance(x, y)), box: a.box };
}

/** Both shapes, flowing into each other over about `blend`. */
export function union(a: Shape, b: Shape, blend = 1e-3): Shape {
  return {
    distance(x, y) {
      const da = a.distance(x, y);
      const db = b.distance(x, y);
      const overlap = Math.max(0, 1 - Math.abs(da - db) / blend);
      return Math.min(da, db) - overlap * overlap * blend / 4;
    },
    box: {
      left: Math.min(a.box.left, b.box.left) - blend,
      top: Math.min(a.box.top, b.box.top) - blend,
      right: Math.max(a.box.right, b.box.right) + blend,
      bottom: Math.max(a.box.bottom, b.box.bottom) + blend,
    },
  };
}

/** The outline of a shape, `thickness` to either side. */
export function rim(shape: Shape, thickness: number): Shape {
  const { left, top, right, bottom } = shape.box;
  return {
    distance: (x, y) => Math.abs(shape.distance(x, y)) - thickness,
    box: {
      left: left - thickness,
      top: top - thickness,
      right: right + thickness,
      bottom: bottom + thickness,
    },
  };
}

/** A shape turned by `angle` (radians, clockwise as y runs down) around a point. */
export function turned(
  shape: Shape,
  angle: number,
  [cx, cy]: readonly [number, number],
): Shape {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const { left, top, right, bottom } = shape.box;
  const corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(([x, y]) => [
    cx + cos * (x! - cx) - sin * (y! - cy),
    cy + sin * (x! - cx) + cos * (y! - cy),
  ]);
  const xs = corners.map(([x]) => x!);
  const ys = corners.map(([, y]) => y!);
  return {
    distance(x, y) {
      const u = x - cx;
      const v = y - cy;
      return shape.distance(cx + cos * u + sin * v, cy - sin * u + cos * v);
    },
    box: {
      left: Math.min(...xs),
      top: Math.min(...ys),
      right: Math.max(...xs),
      bottom: Math.max(...ys),
    },
  };
}
