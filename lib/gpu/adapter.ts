import { GpuError } from "../errors.ts";
import { webgpu } from "./provider.ts";

/** What can be said about an adapter without opening a device on it. */
export interface AdapterDescription {
  /** As the driver calls it: "llvmpipe (LLVM 15.0.6, 256 bits)", "NVIDIA H200". */
  name: string;
  /** "NVIDIA", "AMD", "Intel" …; what the driver gave where that is not a number we know. */
  vendor: string;
  /** The interface below WebGPU, where it can be told. */
  backend: "vulkan" | "opengl" | "metal" | undefined;
  /** Whether its threads are CPU threads: workgroup memory and barriers gain nothing there. */
  isCpu: boolean;
  /** WebGPU feature names, sorted. */
  features: string[];
  /** WebGPU limits by name, in the units of the standard (bytes, counts). */
  limits: Record<string, number>;
}

/** What gives a Linux machine without a GPU driver a Vulkan device. */
export const VULKAN_PACKAGES = "libvulkan1 mesa-vulkan-drivers";

/** The fastest adapter of this machine. Throws a GpuError with the way out when there is none. */
export async function requestAdapter(): Promise<GPUAdapter> {
  const adapter = await (await webgpu()).requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new GpuError(`Cannot find a GPU: ${adapterFix()}`);
  return adapter;
}

/** What to do on this system when there is no adapter. */
export function adapterFix(os = Deno.build.os): string {
  if (os === "linux") {
    return `no Vulkan driver answers; install your GPU's driver, or Mesa's, which also has a ` +
      `software device: sudo apt-get install -y ${VULKAN_PACKAGES}`;
  }
  return `the system offers none; update the graphics driver`;
}

/** Names an adapter and its kind; `os` is where it runs. */
export function describeAdapter(
  adapter: Pick<GPUAdapter, "info" | "features" | "limits">,
  os = Deno.build.os,
): AdapterDescription {
  const { info } = adapter;
  const limits: Record<string, number> = {};
  // Limits are getters of the prototype, which only for … in reaches.
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  const name = info.description || info.device || "unnamed adapter";
  return {
    name,
    vendor: VENDORS[info.vendor] ?? info.vendor,
    backend: backendOf(info, os),
    isCpu: info.isFallbackAdapter || SOFTWARE.test(name),
    features: [...adapter.features].sort(),
    limits,
  };
}

/** Names of software rasterisers, for drivers that do not call themselves a CPU. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render driver/i;

/** PCI vendor ids, and those Khronos gave to makers without one, in decimal as Deno reports them. */
const VENDORS: Record<string, string> = {
  [0x1002]: "AMD",
  [0x1010]: "Imagination",
  [0x106b]: "Apple",
  [0x10de]: "NVIDIA",
  [0x13b5]: "Arm",
  [0x1414]: "Microsoft",
  [0x1ae0]: "Google",
  [0x5143]: "Qualcomm",
  [0x8086]: "Intel",
  [0x10005]: "Mesa",
};

/**
 * WebGPU does not name its backend. On Linux Deno takes Vulkan, and OpenGL only where no Vulkan
 * driver answers; OpenGL knows no subgroup sizes, so it reports the widest range there is, 4 to 128.
 */
function backendOf(info: GPUAdapterInfo, os: string): AdapterDescription["backend"] {
  if (os === "darwin") return "metal";
  if (os !== "linux") return undefined;
  return info.subgroupMinSize === 4 && info.subgroupMaxSize === 128 ? "opengl" : "vulkan";
}
