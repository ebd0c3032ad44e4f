/** What the models launch on a GPU: counted in their plans. */
import assert from "node:assert/strict";
import { vjp } from "../../lib/graph/grad.ts";
import { planProgram } from "../../lib/graph/plan.ts";
import { input, numel, type Shape, state, type Tensor } from "../../lib/graph/tensor.ts";
import { transformer } from "../../models/clip/transformer.ts";
import { generatorOf } from "../../models/generator/families.ts";
import { leavesOf } from "../../models/generator/generator.ts";
import { architecture } from "../../models/stylegan2/architecture.ts";

const LIMITS = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 16 };
const launchesOf = (outputs: Record<string, Tensor>) =>
  planProgram({ outputs }, "gpu", LIMITS).launches;
/** Kernels without the variant, and what is fused to them. */
const labelsOf = (outputs: Record<string, Tensor>) =>
  launchesOf(outputs).map(({ label }) => label.replace(/^(matmul|conv\w*2d)\w*/, "$1"));

const WIDTH = 24;
const ARCH = {
  kind: "vit",
  width: WIDTH,
  hidden: 4 * WIDTH,
  blocks: 1,
  heads: 3,
  activation: "quick_gelu",
  epsilon: 1e-5,
  imageSize: 32,
  patchSize: 8,
} as const;

/** Shapes of a block's weights by the end of their names. */
const SHAPES: [RegExp, Shape][] = [
  [/norm\d/, [WIDTH]],
  [/qkv.weight$/, [3 * WIDTH, WIDTH]],
  [/qkv.bias$/, [3 * WIDTH]],
  [/out.weight$/, [WIDTH, WIDTH]],
  [/fc1.weight$/, [4 * WIDTH, WIDTH]],
  [/fc1.bias$/, [4 * WIDTH]],
  [/fc2.weight$/, [WIDTH, 4 * WIDTH]],
  [/bias$/, [WIDTH]],
];

Deno.test("a transformer's block takes seven launches, attention and each layer norm one of them", () => {
  const p = (name: string) => state(name, SHAPES.find(([end]) => end.test(name))![1]);
  const x = input("x", [2, 17, WIDTH]);
  const [y] = transformer(p, ARCH, x, null);
  assert.deepEqual(labelsOf({ y: y! }), [
    "normalize[mul,add]",
    "matmul[add]",
    "attention",
    "matmul[add,add]",
    "normalize[mul,add]",
    "matmul[add,quick_gelu]",
    "matmul[add,add]",
  ]);
  const [gx] = vjp(y!, input("gy", y!.shape), [x]);
  const back = labelsOf({ gx: gx! });
  const count = (name: RegExp) => back.filter((label) => name.test(label)).length;
  // Two for attention's gradient, one for each layer norm's, and one for each of four products.
  assert.equal(count(/^attention_stats|^attention_grad/), 2);
  assert.equal(count(/^normalize_grad/), 2);
  // All but the last two products of the way there are needed for the way back.
  assert.equal(back.length, 6 + 2 + 2 + 4, back.join("\n"));
});

Deno.test("upsampling meets no inserted zero, and the skip connection is fused into its own", () => {
  const a = architecture({ zSize: 6, wSize: 5, mappingDepth: 1, channels: [6, 5, 4] });
  const generator = generatorOf(a);
  const launches = launchesOf({
    image: generator.synthesis(leavesOf(generator), input("w", [2, a.wCount, a.wSize]), {
      mode: "const",
    }).image,
  });
  const of = (name: RegExp) => launches.filter(({ label }) => name.test(label));
  // Per size but the first: a convolution that upsamples, its blur with all up to the activation,
  // another convolution, and the smaller image upsampled, with colours and bias added to it.
  assert.equal(of(/^conv_transpose2d/).length, 2);
  assert.equal(of(/^upfirdn2d_runs\[.*modulated_lrelu/).length, 2);
  assert.equal(of(/^upfirdn2d_2_1\[add(,\w+)*\]$/).length, 2);
  assert.equal(of(/^(upfirdn2d|conv)/).length, 1 + 2 * 4);
  for (const [i, { operations }] of of(/^conv_transpose2d/).entries()) {
    const [channels, made] = [a.channels[i]!, a.channels[i + 1]!];
    const side = 2 * 4 * 2 ** i + 1;
    // Nine taps for four outputs, where zeros inserted would take nine for each.
    assert.equal(operations, 2 * channels * 9 / 4 * numel([2, made, side, side]));
  }
});
