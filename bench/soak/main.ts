/** Load and faults against the service; see USAGE. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeAdapter, requestAdapter } from "../../lib/gpu/adapter.ts";
import { seededRandom } from "../../tests/gpu.ts";
import type { Outcome, Room, SoakCase } from "./case.ts";
import { durability } from "./durability.ts";
import { faults } from "./faults.ts";
import { http } from "./http.ts";
import { jobs } from "./jobs.ts";
import { load } from "./load.ts";
import { outside } from "./outside.ts";
import { modelFlags } from "./server.ts";

const CASES: readonly SoakCase[] = [
  ...[...durability, ...faults, ...http, ...jobs, ...outside],
  ...load,
];

const USAGE = `Load and faults against the service, on this machine alone.

  deno task soak [--quick] [--case ID]…

  --quick      a few cases, with smaller counts
  --case ID    this case alone; may be given several times

Ctrl-C ends the rounds of a case, whose figure is then that of those done; again, it ends it all.
Prints a table of figures and targets. The exit code is 1 where something was lost or answered
wrongly; times and memory that miss their target are told, and decide nothing.

Cases:
${CASES.map(({ id, name, quick }) => `  ${quick ? "*" : " "} ${id.padEnd(4)} ${name}`).join("\n")}
  (* is among those of --quick)`;

/** Whether whoever waits has had enough. */
let isStopped = false;

async function soak(args: readonly string[]): Promise<number> {
  const { values: { quick, case: ids, help } } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      case: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = ids.find((id) => !CASES.some((each) => each.id === id));
  if (unknown !== undefined) {
    console.error(`There is no case "${unknown}": ${CASES.map(({ id }) => id).join(", ")}`);
    return 2;
  }
  const chosen = CASES.filter((each) =>
    ids.length > 0 ? ids.includes(each.id) : each.quick || !quick
  );
  Deno.addSignalListener("SIGINT", () => {
    if (isStopped) Deno.exit(130);
    isStopped = true;
  });
  const lines: string[] = [];
  let wrong = 0;
  for (const each of chosen) {
    if (isStopped) break;
    const started = performance.now();
    const loadBefore = load1();
    const { figure, isRight, isWithin } = await runCase(each, quick);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    if (!isRight) wrong++;
    const verdict = isRight ? isWithin ? "ok    " : "missed" : "WRONG ";
    console.error(`${verdict} ${each.id} ${each.name}: ${figure} (${seconds} s)`);
    const met = isRight ? isWithin ? "yes" : "no" : "**wrong**";
    const loads = `${loadBefore} to ${load1()}`;
    lines.push(`| ${each.id} ${each.name} | ${each.target} | ${figure} | ${met} | ${loads} |`);
  }
  const { name } = describeAdapter(await requestAdapter());
  console.log([
    `${new Date().toISOString().slice(0, 10)}, ${name}; the load is that of one minute`,
    "",
    "| case | target | figure | met | load |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n"));
  return wrong === 0 ? 0 : 1;
}

/** Load average of the last minute, which says what else the machine did. */
function load1(): string {
  return Deno.loadavg()[0]!.toFixed(1);
}

/** Between two lines of how far a case is. */
const TELL_MS = 15_000;

async function runCase(each: SoakCase, quick: boolean): Promise<Outcome> {
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
    *rounds(count) {
      const started = performance.now();
      let told = started;
      for (let k = 0; k < count && !isStopped; k++) {
        yield k;
        if (performance.now() - told < TELL_MS) continue;
        told = performance.now();
        const seconds = ((told - started) / 1000).toFixed(0);
        console.error(`  ${each.id}: ${k + 1} of ${count} after ${seconds} s`);
      }
    },
  };
  try {
    return await each.run(room);
  } catch (error) {
    return { figure: `failed: ${(error as Error).message}`, isRight: false, isWithin: false };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// Leaving at once keeps the GPU driver's thread clean-up from racing with the exit.
if (import.meta.main) Deno.exit(await soak(Deno.args));
