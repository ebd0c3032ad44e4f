import assert from "node:assert/strict";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import type { AdaptOptions } from "../../../models/nada/adapt.ts";
import { DIRECTION_ONLY } from "../../../models/nada/losses/mod.ts";
import type { LogEntry } from "../../../models/nada/run_folder.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";
import { adaptTo, AUTO, files, GENERATOR, readLog, resumeAt, tensorsIn } from "./tiny_run.ts";

Deno.test("resume() continues bit for bit where adapt() was stopped, layers chosen or not", async () => {
  using folder = temporaryFolder();
  const options = await files(folder);
  const lambdas = { ...DIRECTION_ONLY, patch: 0.5 };
  await checkResume(folder.file("plain"), options);
  await checkResume(folder.file("auto"), { ...options, autoLayers: AUTO, lambdas });
  const random = {
    mixing: 0.6,
    augmentation: "perspective",
    checkpointEvery: 1,
    lrSchedule: "cosine",
  } as const;
  await checkResume(folder.file("random"), { ...options, ...random, lambdas });
  const frozenAdam = "decay";
  await checkResume(folder.file("decay"), { ...options, autoLayers: AUTO, frozenAdam });
  await checkResume(folder.file("shift"), { ...options, autoLayers: AUTO, trainParams: "shift" });
  if ((await testGpu()).limits.halves) {
    await checkResume(folder.file("f16"), { ...options, autoLayers: AUTO, precision: "f16" });
    const { options: { precision } } = JSON.parse(
      Deno.readTextFileSync(folder.file("f16/part/config.json")),
    );
    assert.equal(precision, "f16");
  }
});

async function checkResume(root: string, options: AdaptOptions): Promise<void> {
  Deno.mkdirSync(root);
  const folder = { file: (name: string) => `${root}/${name}` };
  await adaptTo(folder.file("whole"), options);

  const stop = new AbortController();
  const onStep = ({ step }: LogEntry) => step === 2 && stop.abort();
  const part = folder.file("part");
  const stopped = await adaptTo(part, options, { onStep }, stop.signal);
  assert.equal(stopped.status, "interrupted");
  assert.equal(stopped.stepsDone, 3);
  assert.equal(readLog(`${part}/log.jsonl`).length, 3);

  const resumed = await resumeAt(part, null);
  assert.equal(resumed.status, "finished");
  for (const name of ["adapted", "resume"]) {
    const [one, other] = await Promise.all(
      ["whole", "part"].map((run) => tensorsIn(folder.file(`${run}/${name}.safetensors`))),
    );
    assert.deepEqual(one, other);
  }
  const log = (run: string) =>
    readLog(folder.file(`${run}/log.jsonl`)).map((entry) => ({ ...entry, ms: 0 }));
  assert.deepEqual(log("part"), log("whole"));
}

Deno.test("resume() goes beyond the steps that were planned", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 2 };
  await adaptTo(folder.file("run"), options);
  const { stepsDone } = await resumeAt(folder.file("run"), 3);
  assert.equal(stepsDone, 3);
  assert.equal(readLog(folder.file("run/log.jsonl")).length, 3);
});

Deno.test("resume() refuses when a file of the run has changed", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 1 };
  await adaptTo(folder.file("run"), options);
  await writeSafetensors(options.generator, madeUpTensors(GENERATOR, 4));
  await assert.rejects(
    resumeAt(folder.file("run"), 2),
    /"[^"]*base.safetensors" is not the file that the run began with/,
  );
});
