import assert from "node:assert/strict";
import { grad } from "../../../../lib/graph/grad.ts";
import { input } from "../../../../lib/graph/tensor.ts";
import { decodePng } from "../../../../lib/image/mod.ts";
import { Clip } from "../../../../models/clip/mod.ts";
import { imageDirection } from "../../../../models/nada/image_direction.ts";
import {
  DIRECTION_ONLY,
  globalTarget,
  type LossPart,
  type LossSpec,
  lossState,
  type LossTargets,
  type LossWeights,
  patchSize,
  textTargets,
  totalLoss,
} from "../../../../models/nada/losses/mod.ts";
import { assertClose } from "../../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../../fixtures.ts";
import { evaluate, testGpu } from "../../../gpu.ts";

// The reference's own float32 run is off by up to 4e-7 in values, which are about 1, and by up to
// 7e-6 of the largest element in gradients.
const VALUE = 2e-6;
const GRADIENT = 3e-5;

interface Settings {
  source_class: string;
  target_class: string;
  templates: string[];
  part_templates: string[];
  patch_size: number;
  patch_centers_xy: Record<string, [x: number, y: number][]>;
  style_images: string[];
  combined_weights: LossWeights;
}

const ALL: LossWeights = { direction: 1, global: 1, patch: 1, manifold: 1, texture: 1 };
const only = (part: LossPart): LossWeights => ({
  ...DIRECTION_ONLY,
  direction: 0,
  [part]: 1,
});

/** The fixture's numbers, texts and models. */
async function setting() {
  const gpu = await testGpu();
  const settings = await fixtureJson<Settings>("losses/losses.json");
  const clip = await Clip.open(gpu, fixturePath("clip/vit_a/state_dict.pt"));
  const texts = {
    source: settings.source_class,
    target: settings.target_class,
    templates: settings.templates,
    partTemplates: settings.part_templates,
  };
  return {
    settings,
    expected: await fixture("losses/losses.safetensors"),
    clip,
    residual: await Clip.open(gpu, fixturePath("clip/rn/state_dict.pt")),
    targets: await textTargets(clip, texts, ALL),
  };
}

type Setting = Awaited<ReturnType<typeof setting>>;

interface Case {
  readonly name: string;
  readonly weights: LossWeights;
  readonly targets?: LossTargets;
  readonly distance?: LossSpec["distance"];
  /** Whose patch centres; "patch_1" when left out. */
  readonly centres?: string;
}

/** Value and gradient of one case, against the fixture's. Returns their errors. */
async function check(
  { settings, expected, clip, residual, targets: all }: Setting,
  { name, weights, targets = all, distance = "cosine", centres = "patch_1" }: Case,
): Promise<string> {
  const { shape } = expected["input.source_image"]!;
  const [, , height, width] = shape as [number, number, number, number];
  assert.equal(patchSize(height, width), settings.patch_size);
  const half = settings.patch_size / 2;
  const corners = settings.patch_centers_xy[centres]!.flatMap(([x, y]) => [y - half, x - half]);
  const leaves = {
    frozen: input("frozen", shape),
    adapted: input("adapted", shape),
    texture: input("texture", shape),
    corners: input("corners", [corners.length / 2, 2], "u32"),
  };
  const judges = [{ clip, weight: 1, targets }];
  const spec = { weights, judges, distance, resize: "bicubic", textureClip: residual } as const;
  const { total } = totalLoss(leaves, spec);
  const [gradient] = grad(total, [leaves.adapted]);
  const actual = await evaluate({ total, gradient: gradient! }, {
    frozen: expected["input.source_image"]!.data,
    adapted: expected["input.target_image"]!.data,
    texture: expected["input.texture_image"]!.data,
    corners: Uint32Array.from(corners),
  }, await lossState(spec));

  const wanted = expected[`${name}.value`]!.data[0]!;
  const difference = Math.abs(actual.total[0]! - wanted);
  assert.ok(difference <= VALUE, `${name}: the loss is ${actual.total[0]}, not ${wanted}`);
  const wantedGradient = expected[`${name}.grad_target`];
  if (!wantedGradient) return `${name} ${difference.toExponential(1)}`;
  const error = assertClose(actual.gradient, wantedGradient.data, GRADIENT, `${name} gradient`);
  return `${name} ${difference.toExponential(1)}, gradient ${error.toExponential(1)}`;
}

Deno.test({
  name: "totalLoss() equals the original's in every part and their sum, with its gradient",
  ignore: !hasFixtures,
}, async () => {
  const given = await setting();
  const { settings, expected, clip, residual, targets } = given;
  const { style_images, target_class, combined_weights } = settings;
  const pictures = style_images.map((name) =>
    decodePng(Deno.readFileSync(fixturePath(`losses/${name}`)))
  );
  const towardsImages = await imageDirection(
    clip,
    expected["input.source_image"]!,
    pictures,
    "bicubic",
  );
  const bare = await globalTarget(clip, target_class);
  const rows = targets.patch!.flatMap((direction) => [...direction]);
  const directions = [
    assertClose(targets.direction!, expected.text_direction!.data, 1e-5, "text direction"),
    assertClose(rows, expected.patch_text_directions!.data, 1e-5, "part directions"),
    assertClose(towardsImages, expected.img2img_direction!.data, 1e-5, "image direction"),
  ];
  console.log(`text, part, image direction: ${directions.map((e) => e.toExponential(1))}`);

  const cases: Case[] = [
    { name: "directional_cosine", weights: only("direction") },
    { name: "directional_mse", weights: only("direction"), distance: "mse" },
    { name: "directional_mae", weights: only("direction"), distance: "mae" },
    {
      name: "directional_img2img",
      weights: only("direction"),
      targets: { direction: towardsImages },
    },
    { name: "global", weights: only("global") },
    { name: "global_target_only", weights: only("global"), targets: { global: bare } },
    { name: "patch_1", weights: only("patch") },
    { name: "patch_4", weights: only("patch"), centres: "patch_4" },
    { name: "manifold", weights: only("manifold") },
    { name: "texture", weights: only("texture") },
    { name: "combined", weights: combined_weights, centres: "combined" },
  ];
  for (const one of cases) console.log(await check(given, one));
  clip.dispose();
  residual.dispose();
});
