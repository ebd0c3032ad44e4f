/** What large generators take, from their shapes alone. */
import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import { mean, square } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { input, numel } from "../../../lib/graph/tensor.ts";
import { generatorOf } from "../../../models/generator/families.ts";
import { leavesOf } from "../../../models/generator/generator.ts";
import { architecture } from "../../../models/stylegan3/architecture.ts";
import { settingsOf } from "../../../models/stylegan3/settings.ts";

/** Side and channels of what each layer gives, about as in NVIDIA's generators of 1024x1024. */
const LAYERS = [
  [36, 512],
  [36, 512],
  [52, 512],
  [52, 512],
  [84, 512],
  [148, 512],
  [148, 512],
  [276, 323],
  [276, 203],
  [532, 128],
  [1044, 81],
  [1044, 51],
  [1044, 32],
  [1024, 32],
  [1024, 3],
] as const;

Deno.test("StyleGAN3 at 1024x1024, its gradients too, is cut to bindings of 128 MiB", () => {
  const layers = LAYERS.map(([outSize, outChannels], i) => ({
    name: `L${i}_${outSize}_${outChannels}`,
    outSize,
    outChannels,
    inChannels: LAYERS[Math.max(0, i - 1)]![1],
    kernel: outChannels === 3 ? 1 : 3,
    upFilter: outChannels === 3 ? null : [12],
    downFilter: outChannels === 3 ? null : [12],
  }));
  const sizes = { zSize: 512, wSize: 512, mappingDepth: 2 };
  const a = architecture({ ...sizes, layers }, settingsOf(undefined, ""));
  const generator = generatorOf(a);
  const leaves = leavesOf(generator);
  const { image } = generator.synthesis(leaves, input("w", [1, a.wCount, a.wSize]), {
    mode: "const",
  });
  const loss = mean(square(image));
  const names = [...generator.parameterShapes.keys()].filter((name) => /^synthesis/.test(name));
  const gradients = grad(loss, names.map((name) => leaves[name]!));
  const outputs = Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
  const limits = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 31, storageBuffers: 8 };
  const { launches } = planProgram({ outputs: { image, loss, ...outputs } }, "gpu", limits);
  const bound = launches.flatMap(({ bindings }) =>
    bindings.map(({ tensor }) => tensor ? 4 * numel(tensor.shape) : 0)
  );
  assert(Math.max(...bound) <= 2 ** 27);
  // Which takes cutting: one map alone has 1044 * 1044 * 81 elements.
  assert(launches.length > 500, `${launches.length}`);
});
