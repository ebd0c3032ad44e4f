/** `deno task bench`: times kernels, models and whole steps on the adapter of this machine. */
import { UserError } from "../lib/errors.ts";
import { describeAdapter, requestAdapter } from "../lib/gpu/adapter.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { findDriver } from "../lib/gpu/driver.ts";
import { tune } from "../lib/graph/tune.ts";
import { count } from "./count.ts";
import { measure, type Result } from "./measure.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { measurePeak } from "./peak.ts";
import { TorchPeer } from "./peers/torch.ts";
import { describe, describePeak, sectionHeader } from "./report.ts";
import { SECTIONS } from "./sections/mod.ts";

async function main(args: string[]): Promise<void> {
  const options = parseOptions(args);
  if (options === null) return console.log(USAGE);
  if (options.count) return await count(options);
  const torch = options.peer ? await TorchPeer.start() : null;
  try {
    const gpu = await Gpu.open();
    await bench(gpu, torch, options);
    gpu.close();
  } finally {
    await torch?.stop();
  }
}

async function bench(gpu: Gpu, torch: TorchPeer | null, options: Options): Promise<void> {
  const driver = await findDriver(describeAdapter(await requestAdapter()));
  const title = driver ? `${gpu.adapterName}, ${driver.name} ${driver.version}` : gpu.adapterName;
  console.log(title);
  if (torch) console.log(torch.title);
  const peak = options.peak ?? (gpu.hasTimestamps ? await measurePeak(gpu) : null);
  if (peak) console.log(describePeak(peak));

  const results: Result[] = [];
  for (const name of options.sections) {
    console.log(sectionHeader(name));
    const asked = { ...options, large: options.large || gpu.kind === "gpu" };
    for (const opener of await SECTIONS[name](gpu, asked)) {
      if (!opener.name.includes(options.only)) continue;
      if (options.tune && opener.program) await tune(gpu, opener.program());
      using subject = await opener.open();
      const isCpu = gpu.kind === "cpu";
      const means = { peak, torch, kernels: options.kernels, isCpu };
      const result = await measure({ section: name, name: opener.name }, subject, means);
      results.push(result);
      console.log(describe(result, peak));
    }
  }
  if (options.json === undefined) return;
  const content = {
    date: new Date().toISOString(),
    adapter: title,
    peer: torch?.title ?? null,
    peak,
    results,
  };
  await Deno.writeTextFile(options.json, `${JSON.stringify(content, null, 2)}\n`);
}

try {
  await main(Deno.args);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  Deno.exitCode = 2;
}
