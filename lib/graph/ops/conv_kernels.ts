/** Which kernel a convolution takes, with its constants and its grid. */
import convAxisWgsl from "../../../kernels/common/conv_axis.wgsl" with { type: "text" };
import lanesWgsl from "../../../kernels/common/lanes.wgsl" with { type: "text" };
import outerWgsl from "../../../kernels/common/outer.wgsl" with { type: "text" };
import tileWgsl from "../../../kernels/common/tile.wgsl" with { type: "text" };
import convCpuWgsl from "../../../kernels/conv_cpu.wgsl" with { type: "text" };
import convTiledWgsl from "../../../kernels/conv_tiled.wgsl" with { type: "text" };
import convUpCpuWgsl from "../../../kernels/conv_up_cpu.wgsl" with { type: "text" };
import convWeightGradCpuWgsl from "../../../kernels/conv_weight_grad_cpu.wgsl" with {
  type: "text",
};
import convWeightGradTiledWgsl from "../../../kernels/conv_weight_grad_tiled.wgsl" with {
  type: "text",
};
import { LANES } from "../../gpu/device.ts";
import type { Kernel } from "../op.ts";
import { foldGroups, ROW_GROUPS } from "./launch.ts";
import { convMatrixKernels, convWeightGradMatrixKernel, MATRIX_MEANS } from "./matrix_kernels.ts";
import { tiledKernels } from "./tiles.ts";

type Params = Record<string, number>;

/**
 * Kernels of `conv2d`, or of its transpose, where the outputs of each of stride² phases are computed
 * by themselves. In the parameters, I are the channels that are summed over and O those that remain.
 */
export function convKernels<A>(
  name: string,
  transposed: boolean,
  params: Kernel<"x" | "w", A>["params"],
): Kernel<"x" | "w", A>[] {
  const consts = { TRANSPOSED: transposed ? 1 : 0, ROW_GROUPS };
  /** Runs of `length` pixels in the images of one phase, `perGroup` of them in a workgroup. */
  const grid = (length: number, perGroup: number, channels: number) => (p: Params) => {
    const every = transposed ? p.stride! : 1;
    const lines = p.batch! * Math.ceil(p.oh! / every);
    const runs = lines * Math.ceil(p.ow! / (every * length));
    const [x, y] = foldGroups(Math.ceil(runs / perGroup));
    return [x, y, every ** 2 * Math.ceil(p.O! / channels)] as [number, number, number];
  };
  const cpu = { source: CONV_CPU, params, grid: grid(4, LANES, 16), rereads: true };
  return [
    {
      ...cpu,
      name: `${name}_cpu_3`,
      // Three neighbouring taps share most of the pixels they see.
      when: (adapter, { kw, stride }) => adapter === "cpu" && kw === 3 && stride === 1,
      consts: { ...consts, LANES, TAPS: 3 },
    },
    {
      ...cpu,
      name: `${name}_cpu_3_stride_2`,
      source: outerWgsl + lanesWgsl + convUpCpuWgsl,
      when: (adapter, { kh, kw, stride }) =>
        adapter === "cpu" && transposed && kh === 3 && kw === 3 && stride === 2,
      consts: { LANES, ROW_GROUPS },
      grid: ({ batch, O, oh, ow, pad }) => {
        const first = Math.floor(pad! / 2);
        const places = (size: number) => Math.floor((pad! + size - 1) / 2) - first + 1;
        const runs = batch! * places(oh!) * Math.ceil(places(ow!) / 4);
        const [x, y] = foldGroups(Math.ceil(runs / LANES));
        return [x, y, Math.ceil(O! / 8)];
      },
    },
    {
      ...cpu,
      name: `${name}_cpu`,
      when: (adapter) => adapter === "cpu",
      consts: { ...consts, LANES, TAPS: 1 },
    },
    ...MATRIX_MEANS.flatMap((means) => convMatrixKernels(means, name, transposed, params)),
    ...tiledKernels({
      name,
      source: convAxisWgsl + outerWgsl + tileWgsl + convTiledWgsl,
      params,
      consts,
      grid: (channels, pixels) => grid(1, pixels, channels),
      steps: ({ I, kh, kw, stride }) => I! * kh! * kw! / (transposed ? stride! ** 2 : 1),
    }),
  ];
}

const CONV_CPU = convAxisWgsl + outerWgsl + lanesWgsl + convCpuWgsl;

/** Kernels of the weight gradient; the parameter `parts` counts the sums it is cut into. */
export function convWeightGradKernels<A>(
  params: Kernel<"x" | "gy", A>["params"],
): Kernel<"x" | "gy", A>[] {
  const grid = (rows: number, columns: number) => (p: Params): [number, number, number] => [
    Math.ceil(p.I! * p.kh! * p.kw! / columns),
    Math.ceil(p.O! / rows),
    p.parts!,
  ];
  const cpu = {
    source: outerWgsl + lanesWgsl + convWeightGradCpuWgsl,
    params,
    grid: grid(16, 24),
    rereads: true,
  };
  return [
    ...[1, 2].map((WINDOW) => ({
      ...cpu,
      name: `conv_weight_grad_cpu_3_stride_${WINDOW}`,
      // Three neighbouring taps share most of the pixels they see.
      when: (adapter: string, { kw, stride }: Params) =>
        adapter === "cpu" && kw === 3 && stride === WINDOW,
      consts: { LANES, WINDOW },
    })),
    {
      ...cpu,
      name: "conv_weight_grad_cpu",
      when: (adapter) => adapter === "cpu",
      consts: { LANES, WINDOW: 0 },
    },
    ...MATRIX_MEANS.map((means) => convWeightGradMatrixKernel(means, params)),
    ...tiledKernels({
      name: "conv_weight_grad",
      source: outerWgsl + tileWgsl + convWeightGradTiledWgsl,
      params,
      grid,
      steps: ({ part_lines, ow }) => part_lines! * ow!,
    }),
  ];
}
