/**
 * Tensor cores, as Dawn offers them: subgroups that multiply small matrices of f16 and sum in f32, an
 * extension of WebGPU that is still experimental.
 */

/** What the threads of a subgroup multiply at once. */
export interface MatrixUnit {
  /** Rows and columns of both factors. */
  readonly edge: number;
  /** Threads in a subgroup. */
  readonly subgroup: number;
  /** What the largest of the kernels shares in a workgroup. */
  readonly workgroupBytes: number;
}

/**
 * The units that there are kernels for. Apple's sum in f16 only, Intel's are not square, and AMD's
 * subgroups have two sizes.
 */
export const MATRIX_UNITS = {
  /** NVIDIA, from Turing on. */
  matrix_16_32: { edge: 16, subgroup: 32, workgroupBytes: 40 * 1024 },
  /** Mesa's software adapter: 26.1 has it, 25.0 has not. */
  matrix_8_8: { edge: 8, subgroup: 8, workgroupBytes: 16 * 1024 },
} as const satisfies Record<string, MatrixUnit>;

export type MatrixKind = keyof typeof MATRIX_UNITS;

/** What adapter and device call it. */
export const MATRIX_FEATURE = "chromium-experimental-subgroup-matrix";

/**
 * What kernels have to begin with. That calls are uniform in a subgroup, which no compiler can prove
 * of numbers that differ between subgroups, is the kernels' own care.
 */
export const MATRIX_DIRECTIVES = `enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
`;

/** What Dawn adds to the description of an adapter. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/**
 * The unit that an adapter has, or undefined. Adapters that choose the size of a subgroup anew for
 * each kernel have none: the kernels need to know it.
 */
export function matrixKind(
  { features, limits, info }: Pick<GPUAdapter, "features" | "limits" | "info">,
): MatrixKind | undefined {
  if (!features.has(MATRIX_FEATURE as GPUFeatureName) || !features.has("shader-f16")) {
    return undefined;
  }
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: MatrixConfig[] };
  const kinds = Object.entries(MATRIX_UNITS) as [MatrixKind, MatrixUnit][];
  return kinds.find(([, { edge, subgroup, workgroupBytes }]) =>
    info.subgroupMinSize === subgroup && info.subgroupMaxSize === subgroup &&
    limits.maxComputeWorkgroupStorageSize >= workgroupBytes &&
    subgroupMatrixConfigs.some(({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" && resultComponentType === "f32" &&
      M === edge && N === edge && K === edge
    )
  )?.[0];
}
