import process from "node:process";

/** Processor time of this process: what others do on the machine does not count. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The most memory that this process ever had. */
export function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
