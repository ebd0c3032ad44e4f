import type { AdapterDescription } from "./adapter.ts";

/** The driver behind an adapter. */
export interface Driver {
  /** "Mesa" or "NVIDIA". */
  name: string;
  /** As the driver gives it: "25.0.7", "550.54.15". */
  version: string;
}

/** Mesa's Vulkan libraries, by the vendor whose adapters they drive. */
const MESA_LIBRARIES: Record<string, string> = {
  AMD: "libvulkan_radeon.so",
  Intel: "libvulkan_intel.so",
  Mesa: "libvulkan_lvp.so",
  NVIDIA: "libvulkan_nouveau.so",
};

const LIBRARY_FOLDERS = [
  `/usr/lib/${Deno.build.arch}-linux-gnu`,
  "/usr/lib64",
  "/usr/lib",
  "/usr/local/lib",
];

/**
 * The driver of an adapter on Linux, or undefined where nothing readable tells it: WebGPU does not.
 * Mesa has its version in the text of its libraries, NVIDIA in their file names.
 */
export async function findDriver(adapter: AdapterDescription): Promise<Driver | undefined> {
  for (const folder of LIBRARY_FOLDERS) {
    if (adapter.vendor === "NVIDIA") {
      const version = nvidiaVersion(await list(folder));
      if (version) return { name: "NVIDIA", version };
    }
    const library = MESA_LIBRARIES[adapter.vendor];
    const version = library && mesaVersion(await read(`${folder}/${library}`));
    if (version) return { name: "Mesa", version };
  }
  return undefined;
}

/** The first "Mesa 25.0.7" in the text of a library. */
export function mesaVersion(library: string): string | undefined {
  return /Mesa (\d+\.\d+\.\d+)/.exec(library)?.[1];
}

/** From "libGLX_nvidia.so.550.54.15"; "libGLX_nvidia.so.0" beside it is only a link to that. */
export function nvidiaVersion(files: string[]): string | undefined {
  for (const file of files) {
    const version = /^libGLX_nvidia\.so\.(\d+\.\d[\d.]*)$/.exec(file)?.[1];
    if (version) return version;
  }
  return undefined;
}

// Both: where a folder is absent or closed, the next one may do.

/** One character a byte: libraries are no UTF-8. */
async function read(path: string): Promise<string> {
  const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
  return new TextDecoder("latin1").decode(bytes);
}

function list(folder: string): Promise<string[]> {
  return Array.fromAsync(Deno.readDir(folder), (entry) => entry.name).catch(() => []);
}
