/**
 * Load and faults against the service, on this machine alone: `deno task soak [--quick] [NAME…]`.
 * Prints a table of figures and targets; the exit code is 1 where one was missed.
 */
import { join } from "node:path";
import { seededRandom } from "../../tests/gpu.ts";
import type { Room, SoakCase } from "./case.ts";
import { durability } from "./durability.ts";
import { faults } from "./faults.ts";
import { http } from "./http.ts";
import { jobs } from "./jobs.ts";
import { load } from "./load.ts";
import { modelFlags } from "./server.ts";

const CASES: readonly SoakCase[] = [...durability, ...faults, ...http, ...jobs, ...load];

async function soak(args: readonly string[]): Promise<number> {
  const quick = args.includes("--quick");
  const names = args.filter((arg) => !arg.startsWith("--"));
  const chosen = CASES.filter(({ name, quick: isQuick }) =>
    names.length > 0 ? names.some((each) => name.includes(each)) : isQuick || !quick
  );
  const lines: string[] = [];
  let missed = 0;
  for (const each of chosen) {
    const folder = await Deno.makeTempDir({ prefix: "nada-soak-" });
    let count = 0;
    const room: Room = {
      folder,
      data(name = `data${count++}`) {
        Deno.mkdirSync(join(folder, name), { recursive: true });
        return join(folder, name);
      },
      models: await modelFlags(folder),
      quick,
      random: seededRandom(1),
    };
    const started = performance.now();
    const { figure, passed } = await each.run(room).catch((error) => ({
      figure: `failed: ${error.message}`,
      passed: false,
    }));
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    await Deno.remove(folder, { recursive: true });
    if (!passed) missed++;
    console.error(`${passed ? "ok    " : "MISSED"} ${each.name}: ${figure} (${seconds} s)`);
    lines.push(`| ${each.name} | ${each.target} | ${figure} | ${passed ? "yes" : "no"} |`);
  }
  console.log(
    ["| case | target | figure | met |", "| --- | --- | --- | --- |", ...lines].join("\n"),
  );
  return missed === 0 ? 0 : 1;
}

// Leaving at once keeps the GPU driver's thread clean-up from racing with the exit.
if (import.meta.main) Deno.exit(await soak(Deno.args));
