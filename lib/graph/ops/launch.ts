/** Grids, and forms of kernels, that several ops share. */
import rowWgsl from "../../../kernels/common/row.wgsl" with { type: "text" };
import rowLanesWgsl from "../../../kernels/common/row_lanes.wgsl" with { type: "text" };
import rowSubgroupsWgsl from "../../../kernels/common/row_subgroups.wgsl" with { type: "text" };
import rowWorkgroupWgsl from "../../../kernels/common/row_workgroup.wgsl" with { type: "text" };
import { LANES } from "../../gpu/device.ts";
import type { Kernel } from "../op.ts";

/** Workgroups in one row of the grid; WebGPU allows 65,535 along an axis. */
export const ROW_GROUPS = 32768;

/** Constants of kernels with one thread per element. */
export const PER_ELEMENT = { WG: 64, ROW: 64 * ROW_GROUPS };

/** Grid of kernels with one thread per element; `count` elements. */
export function perElement({ count }: Record<string, number>): [number, number, number] {
  return foldGroups(Math.ceil(count! / PER_ELEMENT.WG));
}

/** Threads for a row on a GPU; shorter rows leave some of them idle. */
export const ROW_THREADS = 64;

/** The forms of a kernel with one workgroup per row; its parameters have `rows`. */
export function rowKernels<I extends string, A>(
  { source, ...kernel }: Pick<Kernel<I, A>, "name" | "source" | "params" | "when">,
): Kernel<I, A>[] {
  const { name, when = () => true } = kernel;
  const grid = ({ rows }: Record<string, number>) => foldGroups(rows!);
  const onGpu = { consts: { WG: ROW_THREADS, ROW_GROUPS }, grid };
  return [
    {
      ...kernel,
      name: `${name}_cpu`,
      when: (adapter, ...shape) => adapter === "cpu" && when(adapter, ...shape),
      source: rowLanesWgsl + rowWgsl + source,
      consts: { WG: LANES, ROW_GROUPS },
      grid,
    },
    {
      ...kernel,
      ...onGpu,
      name: `${name}_subgroups`,
      when: (adapter, params, limits) =>
        adapter === "gpu" && limits.subgroups === true && when(adapter, params, limits),
      source: rowSubgroupsWgsl + source,
    },
    { ...kernel, ...onGpu, source: rowWorkgroupWgsl + rowWgsl + source },
  ];
}

/** Folds a long row of workgroups into several: the kernel finds its place by ROW or ROW_GROUPS. */
export function foldGroups(groups: number): [number, number, number] {
  return groups <= ROW_GROUPS ? [groups, 1, 1] : [ROW_GROUPS, Math.ceil(groups / ROW_GROUPS), 1];
}
