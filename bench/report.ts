/** Results as a table to read. */
import type { Peak } from "./peak.ts";
import type { PeerResult, Result } from "./measure.ts";
import type { KernelTime } from "./subject.ts";

export function describePeak({ operations, bytes }: Peak): string {
  return `peak: ${(operations / 1e9).toFixed(0)} GFLOP/s (multiply-adds), ` +
    `${(bytes / 1e9).toFixed(1)} GB/s (copy)`;
}

const HEADER = line(["ms", "GFLOP/s", "GB/s", "floor ms", "x floor", "MB", "img/s"], "");

export function sectionHeader(section: string): string {
  return `\n${section}\n${HEADER}`;
}

export function describe(result: Result, peak: Peak | null): string {
  const { ms, work, floors, memoryBytes, imagesPerSecond, name } = result;
  const floor = floors && Math.max(floors.arithmeticMs, floors.memoryMs);
  const row = line([
    number(ms),
    work && number(work.operations / ms / 1e6),
    work && number(work.bytes / ms / 1e6),
    floor && number(floor),
    floor && number(ms / floor),
    memoryBytes && number(memoryBytes / 1e6),
    imagesPerSecond && number(imagesPerSecond),
  ], name);
  return [
    row,
    ...result.peers.map(describePeer),
    ...result.kernels ? kernelRows(result.kernels, peak) : [],
  ].join("\n");
}

function describePeer({ form, ms, ratio, cpuRatio, notes }: PeerResult): string {
  const cpu = cpuRatio === null ? "" : `, of CPU time ${number(cpuRatio)}`;
  const more = notes.map((note) => `; ${note}`).join("");
  return line([number(ms)], `  PyTorch ${form}: ratio ${number(ratio)}${cpu}${more}`);
}

function kernelRows(kernels: readonly KernelTime[], peak: Peak | null): string[] {
  return kernels.map(({ kernel, dispatches, operations, bytes, seconds }) => {
    const floor = peak && Math.max(operations / peak.operations, bytes / peak.bytes);
    return line([
      number(1e3 * seconds),
      number(operations / seconds / 1e9),
      number(bytes / seconds / 1e9),
      floor && number(1e3 * floor),
      floor && number(seconds / floor),
    ], `  ${dispatches} * ${kernel}`);
  });
}

function line(cells: readonly (string | null | 0)[], name: string): string {
  const padded = Array.from({ length: 7 }, (_, i) => (cells[i] || "").padStart(9));
  return `${padded.join(" ")}  ${name}`.trimEnd();
}

/** Three digits that count, and no exponent. */
function number(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}
