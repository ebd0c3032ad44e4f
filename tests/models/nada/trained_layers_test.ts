import assert from "node:assert/strict";
import { numel } from "../../../lib/graph/tensor.ts";
import {
  layersWith,
  namedLayers,
  phaseLayers,
  trainedParameters,
  type TrainParams,
} from "../../../models/nada/trained_layers.ts";
import {
  architecture,
  defaultTrainedLayers,
  parameterShapes,
} from "../../../models/stylegan2/architecture.ts";

/** 1024x1024: 16 layers in `convs`. */
const FFHQ = architecture({
  zSize: 512,
  wSize: 512,
  mappingDepth: 8,
  channels: [512, 512, 512, 512, 512, 256, 128, 64, 32],
});
const convs = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `convs.${from + i}`);

Deno.test("phaseLayers() takes the layers that the reference takes", () => {
  const base = ["input", "conv1"];
  assert.deepEqual(phaseLayers(FFHQ, "texture"), [...base, ...convs(2, 10)]);
  assert.deepEqual(phaseLayers(FFHQ, "shape"), [...base, ...convs(0, 2)]);
  assert.deepEqual(phaseLayers(FFHQ, "no_fine"), [...base, ...convs(0, 10)]);
  assert.deepEqual(phaseLayers(FFHQ, "shape_expanded"), [...base, ...convs(0, 3)]);
  const all = phaseLayers(FFHQ, "all");
  assert.equal(all.length, 3 + 16 + 9);
  assert.ok(["style", "input", "to_rgb1", "to_rgbs.7"].every((layer) => all.includes(layer)));
});

Deno.test("namedLayers() knows single layers and all of a kind, and refuses others", () => {
  assert.deepEqual(namedLayers(FFHQ, ["convs.3", "style", "convs.3"]), ["style", "convs.3"]);
  assert.deepEqual(namedLayers(FFHQ, ["convs"]), convs(0, 16));
  assert.deepEqual(namedLayers(FFHQ, ["to_rgbs"]).length, 8);
  for (const name of ["convs.16", "con", ""]) {
    assert.throws(() => namedLayers(FFHQ, [name]), /no such layer; its layers are style, input/);
  }
});

Deno.test("trainedParameters() of shifts are as many as the generator has style channels", () => {
  const count = (layers: readonly string[], params: TrainParams) =>
    [...trainedParameters(FFHQ, layers, params).keys()].reduce(
      (sum, name) => sum + numel(parameterShapes(FFHQ).get(name)!),
      0,
    );
  const [some, all] = [defaultTrainedLayers(FFHQ), phaseLayers(FFHQ, "all")];
  // Wu et al., "StyleSpace Analysis", 2021: 9088 channels, of which ToRGB layers have 3040.
  assert.equal(count(some, "shift"), 9088 - 3040);
  assert.equal(count(all, "shift"), 9088);
  assert.equal(count(all, "modulation"), 9088 * (512 + 1));
  assert.deepEqual(layersWith(FFHQ, some, "shift"), some.filter((layer) => layer !== "input"));
});
