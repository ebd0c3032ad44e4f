import assert from "node:assert/strict";
import { adapterFix, describeAdapter } from "../../../lib/gpu/adapter.ts";

interface Fake {
  vendor?: string;
  description?: string;
  subgroups?: [min: number, max: number];
  isFallbackAdapter?: boolean;
}

function fake({ vendor = "4318", description = "NVIDIA H200", ...more }: Fake): GPUAdapter {
  const [subgroupMinSize, subgroupMaxSize] = more.subgroups ?? [32, 32];
  return {
    info: {
      vendor,
      architecture: "",
      device: "9013",
      description,
      subgroupMinSize,
      subgroupMaxSize,
      isFallbackAdapter: more.isFallbackAdapter ?? false,
    },
    features: new Set(["timestamp-query", "shader-f16"]),
    // Getters of a prototype, the way WebGPU has them.
    limits: Object.create({
      get maxBufferSize() {
        return 2 ** 28;
      },
    }),
  } as unknown as GPUAdapter;
}

Deno.test("describeAdapter() names vendor and backend, and sorts the features", () => {
  assert.deepEqual(describeAdapter(fake({}), "linux"), {
    name: "NVIDIA H200",
    vendor: "NVIDIA",
    backend: "vulkan",
    isCpu: false,
    features: ["shader-f16", "timestamp-query"],
    limits: { maxBufferSize: 2 ** 28 },
  });
});

Deno.test("describeAdapter() leaves an unknown vendor as it is", () => {
  assert.equal(describeAdapter(fake({ vendor: "acme" }), "linux").vendor, "acme");
});

Deno.test("describeAdapter() takes the device id for a name where there is no description", () => {
  assert.equal(describeAdapter(fake({ description: "" }), "linux").name, "9013");
});

Deno.test("describeAdapter() knows CPUs by what they say or by their name", () => {
  const isCpu = (options: Fake) => describeAdapter(fake(options), "linux").isCpu;
  assert.equal(isCpu({}), false);
  assert.equal(isCpu({ description: "Some CPU", isFallbackAdapter: true }), true);
  assert.equal(isCpu({ description: "llvmpipe (LLVM 15.0.6, 256 bits)" }), true);
  assert.equal(isCpu({ description: "SwiftShader Device (LLVM 10.0.0)" }), true);
  assert.equal(isCpu({ description: "Microsoft Basic Render Driver" }), true);
});

Deno.test("describeAdapter() tells OpenGL by its range of subgroup sizes, on Linux only", () => {
  const opengl = fake({ subgroups: [4, 128] });
  assert.equal(describeAdapter(opengl, "linux").backend, "opengl");
  assert.equal(describeAdapter(opengl, "darwin").backend, "metal");
  assert.equal(describeAdapter(opengl, "windows").backend, undefined);
});

Deno.test("adapterFix() gives the command that brings a driver on Linux", () => {
  assert.match(adapterFix("linux"), /sudo apt-get install -y libvulkan1 mesa-vulkan-drivers$/);
  assert.doesNotMatch(adapterFix("darwin"), /apt-get/);
});
