/** What `nada adapt` tells while it runs, and at its end. */
import { join, relative } from "node:path";
import type { Gpu } from "../lib/gpu/device.ts";
import type { AdaptEvents, AdaptResult } from "../models/nada/adapt.ts";
import { TUNE_SECONDS } from "../models/nada/training.ts";
import { printedShort } from "./eval_report.ts";
import { reportWidth } from "./layout.ts";
import { Progress, StatusLine } from "./progress.ts";

export type DisposableEvents = AdaptEvents & Disposable;

/** Nothing. */
export const silentEvents = (): DisposableEvents => ({ [Symbol.dispose]() {} });

/** One JSON object for everything that happens. */
export function jsonEvents(): DisposableEvents {
  const print = (event: string) => (data: object) =>
    console.log(JSON.stringify({ event, ...data }));
  return {
    onTuning: (done, of) => print("tuning")({ done, of }),
    onStart: print("start"),
    onStep: print("step"),
    onSamples: (file) => print("samples")({ file }),
    [Symbol.dispose]() {},
  };
}

/** Progress on stderr. */
export function progressEvents(gpu: Gpu): DisposableEvents {
  let progress: Progress | undefined;
  const tuning = new StatusLine();
  return {
    onTuning(done, of) {
      tuning.show(`Measuring kernels, ${TUNE_SECONDS} seconds at most: ${done} of ${of} calls`);
    },
    onStart({ folder, steps, done, layers, chosen, notes }) {
      tuning.finish();
      const what = chosen === null
        ? `${layers.length} layers`
        : `${chosen} of ${layers.length} layers, chosen as it goes`;
      console.error(`Adapter   ${gpu.adapterName}`);
      console.error(`Folder    ${here(folder)}`);
      console.error(`Training  ${what}, ${steps - done} steps`);
      for (const note of notes) console.error(note);
      progress = new Progress({ total: steps, done });
    },
    onStep: ({ step, loss }) => progress?.update(step + 1, `loss ${loss?.toFixed(4) ?? "NaN"}`),
    [Symbol.dispose]() {
      tuning.finish();
      progress?.finish();
    },
  };
}

/** Says what came out; a run that diverged is a failure. */
export function report(
  { folder, status, stepsDone, lastGrid, figures }: AdaptResult,
  { json, quiet }: { json?: boolean; quiet?: boolean },
): void {
  if (status === "diverged") Deno.exitCode = 1;
  if (json) {
    const end = { event: "end", folder, status, stepsDone, lastGrid, figures };
    return console.log(JSON.stringify(end));
  }
  if (status === "diverged") {
    console.error(
      `The loss is no longer a number, the run has stopped. The state after ${stepsDone} steps is ` +
        `kept in ${here(folder)}; start again with a lower --lr.`,
    );
  }
  if (status === "plateau") {
    console.error(`Ended after ${stepsDone} steps: the loss no longer falls.`);
  }
  if (status === "interrupted") {
    console.error(
      `Stopped after ${stepsDone} steps. Go on with: nada adapt --resume ${here(folder)}`,
    );
  }
  if (quiet) return;
  console.log(`Adapted generator  ${here(join(folder, "adapted.safetensors"))}`);
  console.log(`Before and after   ${here(lastGrid)}`);
  for (const line of printedShort(figures, reportWidth())) console.log(line);
}

const here = (path: string) => relative(Deno.cwd(), path) || path;
