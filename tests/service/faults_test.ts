import assert from "node:assert/strict";
import { join } from "node:path";
import { ASKED, type MadeUpService, startService } from "./made_up_service.ts";
import { readEvents } from "./read_events.ts";
import { AdaptationRequest } from "../../service/adaptation_request.ts";
import type { JobState } from "../../lib/jobs/mod.ts";
import { tensorsIn } from "../commands/run.ts";
import { within } from "../within.ts";

/** Far more than any of it takes, also on a machine that is busy. */
const SECONDS = 120;

/** Submits, and waits for a number of steps. */
async function started({ post, request }: MadeUpService, steps: number, more: object = {}) {
  const asked = { ...ASKED, steps: 30, ...more };
  const { id } = await (await post("/v1/adaptations", asked)).json();
  const seen = async () => {
    for await (const { event, data } of readEvents(await request(`/v1/adaptations/${id}/events`))) {
      if (event === "step" && data.step >= steps) break;
    }
  };
  await within(SECONDS, `step ${steps}`, seen());
  return id as string;
}

/** Resolves when the adaptation next comes into this state. */
function next({ service }: MadeUpService, id: string, state: JobState): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = service.adaptations.queue.subscribe((job) => {
    if (job.id !== id || job.state !== state) return;
    unsubscribe();
    resolve();
  });
  return within(SECONDS, `"${state}"`, promise);
}

async function ended({ service, request }: MadeUpService, id: string) {
  const never = new AbortController().signal;
  await within(SECONDS, "the end of the job", service.adaptations.ended(id, never));
  return await (await request(`/v1/adaptations/${id}`)).json();
}

async function image({ request }: MadeUpService, generator: string): Promise<Uint8Array> {
  const response = await request(`/v1/generators/${generator}/samples/3.png`);
  assert.equal(response.status, 200);
  return await response.bytes();
}

Deno.test("A lost device costs a job nothing but time, and a sample not even an error", async () => {
  await using service = await startService({ imageCacheBytes: 0 });
  const before = await image(service, "small");
  const id = await started(service, 12);
  await service.gpu.lose();
  assert.deepEqual(await image(service, "small"), before);
  assert.equal((await ended(service, id)).state, "succeeded");
  const metrics = await (await service.request("/metrics")).text();
  assert.match(metrics, /^nada_device_lost_total 1$/m);

  const log = await (await service.request(`/v1/adaptations/${id}/files/log.jsonl`)).text();
  const steps = log.trim().split("\n").map((line) => JSON.parse(line).step);
  assert.deepEqual(steps, [...Array(30).keys()]);
});

Deno.test("A device that is lost twice fails the job and not the service", async () => {
  await using service = await startService();
  const id = await started(service, 1, { steps: 5000 });
  // Listened for from before the loss: it may begin again at once.
  const begun = next(service, id, "processing");
  await service.gpu.lose();
  await begun;
  await service.gpu.lose();
  const { state, error } = await ended(service, id);
  assert.deepEqual([state, error.code], ["failed", "device_lost"]);
  assert.deepEqual(await (await service.request("/readyz")).json(), { status: "ready" });
  await image(service, "small");
});

Deno.test("An interrupted job ends with the same bits as one that was not", async () => {
  await using service = await startService();
  const straight = await started(service, 30);
  await ended(service, straight);
  const broken = await started(service, 7);
  await service.restart();
  const shown = await (await service.request(`/v1/adaptations/${broken}`)).json();
  assert.ok(["interrupted", "starting", "processing"].includes(shown.state), shown.state);
  assert.equal((await ended(service, broken)).state, "succeeded");
  const [one, other] = await Promise.all(
    [straight, broken].map((id) =>
      tensorsIn(join(service.config.data, "adaptations", id, "run", "adapted.safetensors"))
    ),
  );
  assert.deepEqual(one, other);
});

Deno.test("A state that is damaged is set aside, and the job begins again", async () => {
  await using service = await startService();
  const id = await started(service, 12);
  await service.service.adaptations.queue.stop();
  const run = join(service.config.data, "adaptations", id, "run");
  const path = join(run, "resume.safetensors");
  const bytes = await Deno.readFile(path);
  bytes[20]! ^= 1;
  await Deno.writeFile(path, bytes);
  await service.restart();
  assert.equal((await ended(service, id)).state, "succeeded");
  const names = [...Deno.readDirSync(join(run, ".."))].map(({ name }) => name);
  assert.ok(names.some((name) => name.startsWith("run.damaged-")), names.join(" "));
});

Deno.test("A loss that is no number fails the job and keeps the last good state", async () => {
  await using service = await startService();
  // Steps that no request may ask for take the weights beyond all numbers.
  const request = AdaptationRequest.parse({ ...ASKED, steps: 30 });
  const submitter = { owner: "", idempotencyKey: null };
  const { job: { id } } = await service.service.adaptations.submit(
    { ...request, lr: 1e30 },
    [],
    submitter,
  );
  const { state, error, files } = await ended(service, id);
  assert.deepEqual([state, error.code], ["failed", "diverged"]);
  assert.match(error.detail, /the loss of step \d+ is no finite number/);
  assert.ok(files.includes("adapted.safetensors"));
});

Deno.test("An adaptation is canceled while its models are prepared, and leaves nothing behind", async () => {
  await using service = await startService();
  await image(service, "small");
  const { bytes, buffers } = await service.gpu.status();
  const { id } = await (await service.post("/v1/adaptations", { ...ASKED, steps: 500 })).json();
  // Until something of it is on the device.
  while ((await service.gpu.status()).buffers === buffers) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await service.request(`/v1/adaptations/${id}/cancel`, { method: "POST" });
  const { state, progress, files } = await ended(service, id);
  assert.deepEqual([state, progress.step, files], ["canceled", 0, []]);
  const status = await service.gpu.status();
  assert.deepEqual([status.bytes, status.buffers], [bytes, buffers]);
});
