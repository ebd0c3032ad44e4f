import assert from "node:assert/strict";
import { vjp } from "../../../lib/graph/grad.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { preprocess, resizeAndCrop, type ResizeVariant } from "../../../models/clip/preprocess.ts";
import { assertClose } from "../../assert.ts";
import { fixture, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

const VARIANTS: Record<string, ResizeVariant> = {
  plain: "bicubic",
  antialias: "bicubic-antialias",
};

/** PyTorch computes positions in float32: 3e-6 of them by its own comparison with float64. */
const TOLERANCE = 1e-5;

for (const size of ["32x32", "64x64", "128x128", "200x200", "50x84"]) {
  for (const [label, variant] of Object.entries(VARIANTS)) {
    Deno.test({
      name: `preprocess() gives torchvision's ${variant} pixels and gradient for ${size}`,
      ignore: !hasFixtures,
      async fn() {
        const ref = await fixture("preprocess/preprocess.safetensors");
        const x = ref[`${size}.input`]!;
        const g = ref[`${size}.cotangent`]!;
        const image = input("image", x.shape);
        const pixels = preprocess(image, 64, variant);
        const [gradImage] = vjp(pixels, input("cotangent", g.shape), [image]);
        const actual = await evaluate(
          { pixels, gradImage: gradImage! },
          { image: x.data, cotangent: g.data },
        );
        const errors = [
          assertClose(actual.pixels, ref[`${size}.${label}.output`]!.data, TOLERANCE),
          assertClose(actual.gradImage, ref[`${size}.${label}.grad_input`]!.data, TOLERANCE),
        ];
        console.log(`pixels ${errors[0]!.toExponential(1)}, grad ${errors[1]!.toExponential(1)}`);
      },
    });
  }
}

Deno.test("preprocess() works on images of one pixel and of sides that differ much", async () => {
  for (const [h, w] of [[1, 1], [1, 9], [67, 5]] as const) {
    for (const variant of Object.values(VARIANTS)) {
      const image = input("image", [1, 3, h, w]);
      const { pixels } = await evaluate({ pixels: preprocess(image, 7, variant) }, {
        image: new Float32Array(3 * h * w).fill(-1),
      });
      // Black, whatever the size: every weight is used, and they sum to 1.
      const black = [-1.7922626, -1.7520971, -1.4802198];
      const expected = black.flatMap((value) => new Array<number>(49).fill(value));
      assertClose(pixels, expected, 1e-6, `${h}x${w} ${variant}`);
    }
  }
});

Deno.test("resizeAndCrop() keeps the middle, halves rounded to even", () => {
  // 11 of 16 pixels: 2.5 are left over on each side, so 2 before and 3 after.
  const band = resizeAndCrop(16, 11, 11, "bicubic")!;
  assert.deepEqual(band.start, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(band.weights, new Array(11).fill([0, 1, 0, 0]));
  // 11 of 18: 3.5 become 4.
  assert.equal(resizeAndCrop(18, 11, 11, "bicubic")!.start[0], 3);
});

Deno.test("resizeAndCrop() reads every pixel when it shrinks with antialias only", () => {
  const used = (variant: ResizeVariant) => {
    const { start, weights } = resizeAndCrop(1024, 1024, 224, variant)!;
    const pixels = new Set<number>();
    weights.forEach((row, i) =>
      row.forEach((weight, k) => weight !== 0 && pixels.add(start[i]! + k))
    );
    return pixels.size;
  };
  assert.equal(used("bicubic-antialias"), 1024);
  assert.equal(used("bicubic"), 896);
});

Deno.test("resizeAndCrop() leaves an image of the right size alone", () => {
  assert.equal(resizeAndCrop(64, 64, 64, "bicubic"), null);
  assert.equal(resizeAndCrop(64, 64, 64, "bicubic-antialias"), null);
});

Deno.test("preprocess() commutes with adding a constant to the image", async () => {
  const data = normals(2 * 3 * 9 * 13, seededRandom(3));
  const image = input("image", [2, 3, 9, 13]);
  const pixels = preprocess(image, 5, "bicubic");
  const { pixels: plain } = await evaluate({ pixels }, { image: data });
  const { pixels: moved } = await evaluate({ pixels }, { image: data.map((x) => x + 0.5) });
  const deviations = [0.26862954, 0.26130258, 0.27577711];
  const expected = plain.map((x, i) => x + 0.25 / deviations[Math.floor(i / 25) % 3]!);
  assertClose(moved, expected, 1e-6);
});
