import assert from "node:assert/strict";
import {
  adapterFindings,
  denoFinding,
  diskFinding,
  examine,
  type Finding,
  permissionsFinding,
  render,
} from "../../commands/doctor.ts";
import type { AdapterDescription } from "../../lib/gpu/adapter.ts";

const LLVMPIPE: AdapterDescription = {
  name: "llvmpipe (LLVM 15.0.6, 256 bits)",
  vendor: "Mesa",
  backend: "vulkan",
  isCpu: true,
  features: ["shader-f16", "timestamp-query"],
  limits: {
    maxBufferSize: 2 ** 31 - 1,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 48,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupStorageSize: 2 ** 15,
  },
};

function find(findings: Finding[], name: string): Finding {
  const finding = findings.find((one) => one.name === name);
  assert.ok(finding, name);
  return finding;
}

Deno.test("denoFinding() asks for 2.9 or newer and says how to get it", () => {
  assert.equal(denoFinding("2.9.0").status, "ok");
  assert.equal(denoFinding("2.10.1").status, "ok");
  assert.equal(denoFinding("3.0.0").status, "ok");
  assert.equal(denoFinding("2.8.3").status, "missing");
  assert.deepEqual(denoFinding("1.46.0").fix, ["./nada doctor"]);
});

Deno.test("adapterFindings() tells name, driver, features and limits in words", () => {
  const driver = { name: "Mesa", version: "25.0.7" };
  assert.deepEqual(adapterFindings(LLVMPIPE, driver, "bookworm"), [
    {
      status: "ok",
      name: "Adapter",
      value: "llvmpipe (LLVM 15.0.6, 256 bits); a CPU in the role of a GPU",
    },
    { status: "ok", name: "Driver", value: "Mesa 25.0.7, through vulkan" },
    { status: "ok", name: "Features", value: "shader-f16, timestamp-query" },
    {
      status: "ok",
      name: "Limits",
      value: "2047 MiB a buffer, 128 MiB a binding, 48 bindings a kernel, 1024 threads, " +
        "32 KiB a workgroup",
    },
  ]);
});

Deno.test("adapterFindings() notes an old Mesa on the CPU and, on Debian 12, the newer one", () => {
  const old = { name: "Mesa", version: "22.3.6" };
  const finding = find(adapterFindings(LLVMPIPE, old, "bookworm"), "Driver");
  assert.equal(finding.status, "note");
  assert.match(finding.fix!.at(-1)!, /-t bookworm-backports mesa-vulkan-drivers$/);

  const elsewhere = find(adapterFindings(LLVMPIPE, old, "jammy"), "Driver");
  assert.doesNotMatch(elsewhere.fix!.join(), /backports/);

  const gpu = find(adapterFindings({ ...LLVMPIPE, isCpu: false }, old, "bookworm"), "Driver");
  assert.equal(gpu.status, "ok");
});

Deno.test("adapterFindings() misses Vulkan where only OpenGL answers", () => {
  const adapter: AdapterDescription = { ...LLVMPIPE, backend: "opengl" };
  const finding = find(adapterFindings(adapter, undefined, undefined), "Driver");
  assert.equal(finding.status, "missing");
  assert.deepEqual(finding.fix, ["sudo apt-get install -y libvulkan1 mesa-vulkan-drivers"]);
});

Deno.test("diskFinding() notes less than 1 GiB", () => {
  assert.equal(diskFinding(2 ** 30).status, "ok");
  assert.equal(diskFinding(2 ** 30 - 1).status, "note");
  assert.match(diskFinding(1.5 * 2 ** 30).value, /^1\.5 GiB free in \//);
});

Deno.test("permissionsFinding() names what Deno does not grant", () => {
  assert.deepEqual(permissionsFinding(["write", "sys"]), {
    status: "missing",
    name: "Permissions",
    value: "not granted: write, sys",
    fix: ["./nada doctor"],
  });
});

Deno.test("render() keeps within 80 columns and loses no word", () => {
  const findings: Finding[] = [
    ...adapterFindings(LLVMPIPE, { name: "Mesa", version: "22.3.6" }, "bookworm"),
    { status: "note", name: "Words", value: "a " + "quite-long-word ".repeat(9) + "x".repeat(130) },
  ];
  const text = render({ ok: true, version: "1.2.3", findings });
  assert.ok(text.split("\n").every((line) => line.length <= 80), text);
  const squeezed = text.replaceAll(/\s/g, "");
  for (const { value, fix = [] } of findings) {
    for (const part of [value, ...fix]) {
      assert.ok(squeezed.includes(part.replaceAll(/\s/g, "")), part);
    }
  }
  assert.match(text, /Nothing is missing\.$/);
});

Deno.test("render() puts the commands that mend what is missing below the table", () => {
  const text = render({ ok: false, version: "1.2.3", findings: [denoFinding("2.8.3")] });
  assert.match(text, /\n\nTo mend "Deno":\n {2}\.\/nada doctor\n\nSomething is missing\.$/);
});

Deno.test("examine() is not ok exactly where a finding is missing", async () => {
  const report = await examine();
  assert.equal(report.ok, report.findings.every(({ status }) => status !== "missing"));
  assert.ok(report.freeBytes! > 0);
  assert.equal(report.adapter === undefined, report.probe === undefined);
});
