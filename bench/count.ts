/** Tables of counted work and its floors, in Markdown; nothing is run. */
import { type Limits, planTarget } from "../lib/gpu/device.ts";
import { type PlannedLaunch, planProgram } from "../lib/graph/plan.ts";
import type { Options } from "./options.ts";
import type { Peak } from "./peak.ts";
import { SECTIONS } from "./sections/mod.ts";
import { countedSeconds, kernelOf, type Work, workOf } from "./work.ts";

/** What Vulkan tells of NVIDIA's larger cards, as far as plans depend on it. */
const LARGE_GPU: { kind: "gpu"; limits: Limits } = {
  kind: "gpu",
  limits: {
    bindingBytes: 2 ** 31 - 4,
    bufferBytes: 2 ** 32,
    storageBuffers: 16,
    workgroupBytes: 49152,
    halves: true,
    subgroups: true,
    joinsLaunches: true,
  },
};

export async function count(options: Options): Promise<void> {
  const { kind, limits } = options.gpu ? LARGE_GPU : await planTarget();
  for (const section of options.sections) {
    const openers = (await SECTIONS[section](null, options))
      .filter(({ name, program }) => program && name.includes(options.only));
    if (openers.length === 0) continue;
    console.log(header(section, options));
    for (const { name, program } of openers) {
      const { launches } = planProgram(program!(), kind, limits);
      const apart = options.kernels || options.gpu
        ? planProgram(program!(), kind, { ...limits, joinsLaunches: false }).launches
        : launches;
      console.log(row(name, workOf(launches), apart, options));
      if (!options.kernels) continue;
      const groups = [...Map.groupBy(apart, kernelOf)].map(([kernel, group]) =>
        [kernel, workOf(group), group] as const
      );
      const most = options.peak ? floor(options.peak) : ({ operations }: Work) => operations;
      for (const [kernel, work, group] of groups.sort(([, a], [, b]) => most(b) - most(a))) {
        console.log(row(`… ${kernel}`, work, group, options));
      }
    }
  }
}

/** Milliseconds that the work takes at a peak, by what takes longer. */
const floor = (peak: Peak) => ({ operations, bytes }: Work) =>
  1e3 * Math.max(operations / peak.operations, bytes / peak.bytes);

function header(section: string, options: Options): string {
  const columns = [
    "dispatches",
    "GFLOP",
    "GB",
    ...options.peak ? ["arithmetic, ms", "memory, ms"] : [],
    ...options.peak && options.gpu ? ["counted, ms"] : [],
  ];
  return `\n| ${[section, ...columns].join(" | ")} |\n| --- |${" ---: |".repeat(columns.length)}`;
}

/** `apart` are the launches of the work, none joined. */
function row(
  name: string,
  { dispatches, operations, bytes }: Work,
  apart: readonly PlannedLaunch[],
  { peak, gpu }: Options,
): string {
  const cells = [name, dispatches, number(operations / 1e9), number(bytes / 1e9)];
  if (peak) {
    cells.push(number(1e3 * operations / peak.operations), number(1e3 * bytes / peak.bytes));
  }
  if (peak && gpu) cells.push(number(1e3 * countedSeconds(apart, peak)));
  return `| ${cells.join(" | ")} |`;
}

const number = (value: number) =>
  value.toPrecision(3).replace(/e.*/, "") === value.toPrecision(3)
    ? String(Number(value.toPrecision(3)))
    : value.toFixed(0);
