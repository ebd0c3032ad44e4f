import type { Command } from "commander";
import { statfs } from "node:fs/promises";
import {
  type AdapterDescription,
  describeAdapter,
  requestAdapter,
  VULKAN_PACKAGES,
} from "../lib/gpu/adapter.ts";
import { type Driver, findDriver } from "../lib/gpu/driver.ts";
import { type Probe, probe } from "../lib/gpu/probe.ts";
import { GpuError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { WIDTH, wrap } from "./layout.ts";

/** One line of the report. */
export interface Finding {
  /** "note" is worth knowing, and nada works all the same; "missing" is needed. */
  status: "ok" | "note" | "missing";
  name: string;
  value: string;
  /** Shell commands that mend it. */
  fix?: string[];
}

/** What `nada doctor --json` prints. */
export interface Report {
  /** Whether nothing is missing. */
  ok: boolean;
  version: string;
  findings: Finding[];
  adapter?: AdapterDescription;
  driver?: Driver;
  probe?: Probe;
  /** Space for files in the working directory; absent where it could not be asked. */
  freeBytes?: number;
}

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--json", "print the whole report as JSON")
    .action(async ({ json }: { json?: true }) => {
      const report = await examine();
      console.log(json ? JSON.stringify(report, null, 2) : render(report));
      if (!report.ok) Deno.exitCode = 1;
    });
}

/** Looks at everything nada needs, and tries the device. */
export async function examine(): Promise<Report> {
  const findings: Finding[] = [denoFinding(Deno.version.deno)];
  const report: Report = { ok: true, version: VERSION, findings };

  const adapter = await requestAdapter().catch(orGpuError);
  if (adapter instanceof GpuError) {
    findings.push(adapterMissing(adapter.message));
  } else {
    report.adapter = describeAdapter(adapter);
    const driver = Deno.build.os === "linux" ? await findDriver(report.adapter) : undefined;
    if (driver) report.driver = driver;
    findings.push(...adapterFindings(report.adapter, driver, await codename()));

    const probed = await probe(adapter).catch(orGpuError);
    findings.push(probeFinding(probed));
    if (!(probed instanceof GpuError)) report.probe = probed;
  }

  const denied = await deniedPermissions();
  if (!denied.includes("sys")) {
    const { bavail, bsize } = await statfs(".");
    report.freeBytes = bavail * bsize;
    findings.push(diskFinding(report.freeBytes));
  }
  findings.push(permissionsFinding(denied));

  report.ok = findings.every(({ status }) => status !== "missing");
  return report;
}

function orGpuError(error: unknown): GpuError {
  if (error instanceof GpuError) return error;
  throw error;
}

/** Deno 2.9 is the first with all that nada uses. */
export function denoFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || major === 2 && minor >= 9) return { status: "ok", name: "Deno", value: version };
  return {
    status: "missing",
    name: "Deno",
    value: `${version}, 2.9 or newer is needed; ./nada brings its own`,
    fix: ["./nada doctor"],
  };
}

function adapterMissing(message: string): Finding {
  return {
    status: "missing",
    name: "Adapter",
    value: message,
    ...(Deno.build.os === "linux" && { fix: [INSTALL_VULKAN] }),
  };
}

const INSTALL_VULKAN = `sudo apt-get install -y ${VULKAN_PACKAGES}`;

/** What an adapter is and allows. `codename` is that of the Debian release, "bookworm" say. */
export function adapterFindings(
  adapter: AdapterDescription,
  driver: Driver | undefined,
  codename: string | undefined,
): Finding[] {
  const kind = adapter.isCpu ? "a CPU in the role of a GPU" : `${adapter.vendor} GPU`;
  return [
    { status: "ok", name: "Adapter", value: `${adapter.name}; ${kind}` },
    driverFinding(adapter, driver, codename),
    { status: "ok", name: "Features", value: adapter.features.join(", ") },
    { status: "ok", name: "Limits", value: limits(adapter.limits) },
  ];
}

function driverFinding(
  { backend, isCpu }: AdapterDescription,
  driver: Driver | undefined,
  codename: string | undefined,
): Finding {
  const name = "Driver";
  const version = driver ? `${driver.name} ${driver.version}` : "version unknown";
  const value = backend ? `${version}, through ${backend}` : version;
  if (backend === "opengl") {
    return {
      status: "missing",
      name,
      value: `${value}: no Vulkan driver answers, and nada needs one`,
      fix: [INSTALL_VULKAN],
    };
  }
  if (isCpu && driver?.name === "Mesa" && parseInt(driver.version) < 24) {
    return {
      status: "note",
      name,
      value: `${value}; Mesa 24 and newer are about twice as fast`,
      fix: codename === "bookworm" ? BACKPORTS : ["sudo apt-get upgrade"],
    };
  }
  return { status: "ok", name, value };
}

const BACKPORTS = [
  `echo deb http://deb.debian.org/debian bookworm-backports main |`,
  `  sudo tee /etc/apt/sources.list.d/backports.list`,
  `sudo apt-get update`,
  `sudo apt-get install -y -t bookworm-backports mesa-vulkan-drivers`,
];

function limits(limit: Record<string, number>): string {
  return [
    `${mib(limit.maxBufferSize)} a buffer`,
    `${mib(limit.maxStorageBufferBindingSize)} a binding`,
    `${limit.maxStorageBuffersPerShaderStage} bindings a kernel`,
    `${limit.maxComputeInvocationsPerWorkgroup} threads`,
    `${(limit.maxComputeWorkgroupStorageSize ?? 0) / 1024} KiB a workgroup`,
  ].join(", ");
}

function mib(bytes = 0): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}

function probeFinding(result: Probe | GpuError): Finding {
  const name = "Test kernel";
  if (result instanceof GpuError) return { status: "missing", name, value: result.message };
  const { firstMs, againMs } = result;
  const times = `${firstMs.toFixed(1)} ms with compiling it, ${againMs.toFixed(1)} ms again`;
  return { status: "ok", name, value: `right; ${times}` };
}

/** Below this many bytes a run with full-size checkpoints may not fit. */
const ENOUGH_BYTES = 2 ** 30;

export function diskFinding(freeBytes: number): Finding {
  const value = `${(freeBytes / 2 ** 30).toFixed(1)} GiB free in ${Deno.cwd()}`;
  if (freeBytes >= ENOUGH_BYTES) return { status: "ok", name: "Disk", value };
  return { status: "note", name: "Disk", value: `${value}; a run may need 1 GiB` };
}

type PermissionName = Deno.PermissionDescriptor["name"];

/** What the commands ask of Deno, each with one thing that stands for it. */
const PERMISSIONS: Deno.PermissionDescriptor[] = [
  { name: "read", path: "." },
  { name: "write", path: "runs" },
  { name: "env", variable: "DEBUG" },
  { name: "sys", kind: "statfs" },
];

async function deniedPermissions(): Promise<PermissionName[]> {
  const states = await Promise.all(PERMISSIONS.map((one) => Deno.permissions.query(one)));
  return PERMISSIONS.filter((_, i) => states[i]!.state !== "granted").map(({ name }) => name);
}

export function permissionsFinding(denied: PermissionName[]): Finding {
  const name = "Permissions";
  if (denied.length === 0) {
    return { status: "ok", name, value: PERMISSIONS.map((one) => one.name).join(", ") };
  }
  return {
    status: "missing",
    name,
    value: `not granted: ${denied.join(", ")}`,
    fix: ["./nada doctor"],
  };
}

async function codename(): Promise<string | undefined> {
  const release = await Deno.readTextFile("/etc/os-release").catch(() => ""); // absent off Linux
  return /^VERSION_CODENAME="?(\w+)/m.exec(release)?.[1];
}

const STATUS_WIDTH = 9;
const NAME_WIDTH = 13;

/** The report as a table no wider than 80 columns, then the commands that mend what they can. */
export function render({ ok, version, findings }: Report): string {
  const lines = [`nada ${version}`, ""];
  for (const { status, name, value } of findings) {
    const [first = "", ...rest] = wrap(value, WIDTH - STATUS_WIDTH - NAME_WIDTH);
    lines.push(status.padEnd(STATUS_WIDTH) + name.padEnd(NAME_WIDTH) + first);
    lines.push(...rest.map((line) => " ".repeat(STATUS_WIDTH + NAME_WIDTH) + line));
  }
  lines.push("");
  for (const { name, fix } of findings) {
    if (fix) lines.push(`To mend "${name}":`, ...fix.map((line) => `  ${line}`), "");
  }
  lines.push(ok ? "Nothing is missing." : "Something is missing.");
  return lines.join("\n");
}
