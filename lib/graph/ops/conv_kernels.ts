/** Which kernel a convolution takes, with its constants and its grid. */
import convAxisWgsl from "../../../kernels/common/conv_axis.wgsl" with { type: "text" };
import lanesWgsl from "../../../kernels/common/lanes.wgsl" with { type: "text" };
import outerWgsl from "../../../kernels/common/outer.wgsl" with { type: "text" };
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
import { convPatchKernels, convUpKernels } from "./conv_patches.ts";
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
    ...[1, 2].flatMap((HOP) =>
      [4, 8].map((RUN): Kernel<"x" | "w", A> => ({
        ...cpu,
        name: `${name}_cpu_3_${HOP === 1 ? "" : "stride_2_"}by_${RUN}`,
        when: (adapter, { kw, stride }) =>
          adapter === "cpu" && kw === 3 && stride === HOP && !(transposed && HOP === 2),
        // Long runs load less, but would compute what is beyond the end of short lines.
        cost: ({ ow }) => Math.ceil(ow! / RUN) * (RUN === 8 ? 1.6 : 1),
        consts: { ...consts, LANES, HOP, RUN },
        grid: grid(RUN, LANES, 16),
      }))
    ),
    {
      ...cpu,
      name: `${name}_cpu_3_stride_2`,
      source: outerWgsl + lanesWgsl + convUpCpuWgsl,
      when: (adapter, { kh, kw, stride }) =>
        adapter === "cpu" && transposed && kh === 3 && kw === 3 && stride === 2,
      consts: { LANES, ROW_GROUPS },
      cost: () => 0,
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
      consts: { ...consts, LANES, HOP: 0, RUN: 4 },
      cost: () => Infinity,
    },
    ...MATRIX_MEANS.flatMap((means) => convMatrixKernels(means, name, transposed, params)),
    ...tiledKernels({
      name,
      source: convAxisWgsl + convTiledWgsl,
      params,
      consts,
      grid: (channels, pixels) => grid(1, pixels, channels),
      steps: ({ I, kh, kw, stride }) => I! * kh! * kw! / (transposed ? stride! ** 2 : 1),
      fetching: 90,
    }),
    ...convPatchKernels(name, transposed, params),
    ...(transposed ? convUpKernels(name, params) : []),
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
  return [
    ...[0, 1, 2].flatMap((WINDOW) =>
      [16, 32].map((ROWS): Kernel<"x" | "gy", A> => ({
        name: `conv_weight_grad_cpu_${ROWS}${WINDOW ? `_3_stride_${WINDOW}` : ""}`,
        source: outerWgsl + lanesWgsl + convWeightGradCpuWgsl,
        when: (adapter, { kw, stride }) =>
          adapter === "cpu" && WINDOW === (kw === 3 && stride! <= 2 ? stride : 0),
        // Many rows load less, but would compute what is not there.
        cost: ({ O }) => Math.ceil(O! / ROWS) * (ROWS === 32 ? 1.7 : 1),
        params,
        consts: { LANES, ROWS, WINDOW },
        grid: grid(ROWS, 24),
        rereads: true,
      }))
    ),
    ...MATRIX_MEANS.map((means) => convWeightGradMatrixKernel(means, params)),
    ...tiledKernels({
      name: "conv_weight_grad",
      source: convWeightGradTiledWgsl,
      params,
      grid,
      steps: ({ part_lines, ow }) => part_lines! * ow!,
      fetching: 90,
      // Of scaled cotangents and feature maps: each fits in half precision, their products need not.
      precise: true,
    }),
  ];
}
