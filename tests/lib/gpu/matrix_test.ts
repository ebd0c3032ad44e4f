import assert from "node:assert/strict";
import { matrixKind } from "../../../lib/gpu/matrix.ts";

interface Fake {
  readonly subgroups: readonly [min: number, max: number];
  /** M, N, K and the types of factors and sums. */
  readonly configs: readonly (readonly [number, number, number, string, string])[];
  readonly features?: readonly string[];
  readonly workgroupBytes?: number;
}

const FEATURES = ["chromium-experimental-subgroup-matrix", "shader-f16"];

function kindOf({ subgroups, configs, features = FEATURES, workgroupBytes = 49152 }: Fake) {
  const [subgroupMinSize, subgroupMaxSize] = subgroups;
  return matrixKind({
    info: {
      subgroupMinSize,
      subgroupMaxSize,
      subgroupMatrixConfigs: configs.map(([M, N, K, componentType, resultComponentType]) => ({
        M,
        N,
        K,
        componentType,
        resultComponentType,
      })),
    },
    features: new Set(features),
    limits: { maxComputeWorkgroupStorageSize: workgroupBytes },
  } as unknown as GPUAdapter);
}

Deno.test("matrixKind() takes square matrices of f16 with sums in f32, for the adapter's subgroups", () => {
  const own = [8, 8, 8, "f16", "f32"] as const;
  assert.equal(
    kindOf({ subgroups: [8, 8], configs: [[8, 8, 8, "f16", "f16"], own] }),
    "matrix_8_8",
  );
  const large = [16, 16, 16, "f16", "f32"] as const;
  assert.equal(kindOf({ subgroups: [32, 32], configs: [own, large] }), "matrix_16_32");
});

Deno.test("matrixKind() finds none where a kernel would not fit", () => {
  const square = [16, 16, 16, "f16", "f32"] as const;
  const adapters: Fake[] = [
    { subgroups: [32, 32], configs: [] },
    { subgroups: [32, 32], configs: [[16, 8, 16, "f16", "f32"], [16, 16, 16, "f16", "f16"]] },
    { subgroups: [32, 64], configs: [square] },
    { subgroups: [32, 32], configs: [[8, 8, 8, "f16", "f32"]] },
    { subgroups: [32, 32], configs: [square], workgroupBytes: 32768 },
    { subgroups: [32, 32], configs: [square], features: ["shader-f16"] },
    { subgroups: [32, 32], configs: [square], features: [FEATURES[0]!] },
  ];
  for (const adapter of adapters) assert.equal(kindOf(adapter), undefined);
});
