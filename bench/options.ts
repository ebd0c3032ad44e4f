/** The options of `deno task bench`. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { UserError } from "../lib/errors.ts";
import { type Precision, PRECISIONS } from "../lib/graph/precision.ts";
import type { Peak } from "./peak.ts";
import { type SectionName, SECTIONS } from "./sections/mod.ts";

export const USAGE = `Usage: deno task bench [SECTION...] [OPTIONS]

Sections, all of them when none is named:
  ${Object.keys(SECTIONS).join(", ")}

Options:
  --only TEXT    only what has TEXT in its name
  --large        on a CPU too, what takes minutes there
  --kernels      the time of every kernel below each program
  --peer torch   the same work in PyTorch, taking turns, with the ratio of their time to ours; needs a
                 python3 with numpy and torch, with all that these depend on, and a C++ compiler
  --json FILE    writes all figures as JSON as well
  --precision P  stores feature maps in f32 or f16 (default: f32)
  --tune         measures first which kernels are the fastest, as nada tune does
  --count        counts operations and bytes in the plans, and runs nothing
  --gpu          with --count, as planned for a large GPU in place of the adapter here, and with --peak
                 the time that is counted for its kernels
  --peak F,B     takes F GFLOP/s and B GB/s as the adapter's peak, instead of measuring it

Every time is the shortest of some runs. "floor" is what the counted operations or bytes, whichever
takes longer, would take at the adapter's own peak, which is measured first.`;

export interface Options {
  readonly sections: readonly SectionName[];
  readonly only: string;
  readonly large: boolean;
  readonly kernels: boolean;
  readonly peer: boolean;
  readonly json: string | undefined;
  readonly precision: Precision;
  readonly tune: boolean;
  readonly count: boolean;
  readonly gpu: boolean;
  readonly peak: Peak | null;
}

/** null where the usage is asked for; throws a UserError for what is no section or option. */
export function parseOptions(args: string[]): Options | null {
  const { values, positionals } = readArguments(args);
  if (values.help) return null;
  const unknown = positionals.find((name) => !(name in SECTIONS));
  if (unknown !== undefined) {
    throw new UserError(
      `Cannot bench "${unknown}": the sections are ${Object.keys(SECTIONS).join(", ")}`,
    );
  }
  if (values.peer !== undefined && values.peer !== "torch") {
    throw new UserError(`Cannot compare with "${values.peer}": the only peer is torch`);
  }
  if (values.gpu && !values.count) {
    throw new UserError("Cannot run on a GPU because of --gpu: it goes with --count alone");
  }
  if (values.json !== undefined && !existsSync(dirname(values.json))) {
    throw new UserError(`Cannot write to "${values.json}": there is no such folder; make it first`);
  }
  const names = positionals.length > 0 ? positionals : Object.keys(SECTIONS);
  return {
    sections: names as SectionName[],
    only: values.only ?? "",
    large: values.large ?? false,
    kernels: values.kernels ?? false,
    peer: values.peer !== undefined,
    json: values.json,
    precision: parsePrecision(values.precision),
    tune: values.tune ?? false,
    count: values.count ?? false,
    gpu: values.gpu ?? false,
    peak: values.peak === undefined ? null : parsePeak(values.peak),
  };
}

function parsePrecision(text: string = "f32"): Precision {
  const found = PRECISIONS.find((precision) => precision === text);
  if (found) return found;
  throw new UserError(`Cannot bench in "${text}": there are ${PRECISIONS.join(" and ")}`);
}

function parsePeak(text: string): Peak {
  const [operations, bytes, ...more] = text.split(",").map((part) => 1e9 * Number(part));
  if (operations! > 0 && bytes! > 0 && more.length === 0) {
    return { operations: operations!, bytes: bytes! };
  }
  throw new UserError(
    `Cannot take "${text}" as a peak: give GFLOP/s and GB/s, as in --peak 128,12`,
  );
}

function readArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        only: { type: "string" },
        large: { type: "boolean" },
        kernels: { type: "boolean" },
        peer: { type: "string" },
        json: { type: "string" },
        precision: { type: "string" },
        tune: { type: "boolean" },
        count: { type: "boolean" },
        gpu: { type: "boolean" },
        peak: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UserError(`${(error as Error).message.split(". ")[0]}; see deno task bench --help`);
  }
}
