/** Grid shapes that several kernels share. */

/** Workgroups in one row of the grid; WebGPU allows 65,535 along an axis. */
export const ROW_GROUPS = 32768;

/** Constants of kernels with one thread per element. */
export const PER_ELEMENT = { WG: 64, ROW: 64 * ROW_GROUPS };

/** Grid of kernels with one thread per element; `count` elements. */
export function perElement({ count }: Record<string, number>): [number, number, number] {
  return foldGroups(Math.ceil(count! / PER_ELEMENT.WG));
}

/** Constants of kernels with one workgroup per row. */
export const PER_ROW = { WG: 64, ROW_GROUPS };

/** Grid of kernels with one workgroup per row; `rows` rows. */
export function perRow({ rows }: Record<string, number>): [number, number, number] {
  return foldGroups(rows!);
}

/** Folds a long row of workgroups into several: the kernel finds its place by ROW or ROW_GROUPS. */
export function foldGroups(groups: number): [number, number, number] {
  return groups <= ROW_GROUPS ? [groups, 1, 1] : [ROW_GROUPS, Math.ceil(groups / ROW_GROUPS), 1];
}
