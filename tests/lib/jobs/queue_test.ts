import assert from "node:assert/strict";
import { type Job, type JobContext, JobQueue, JobStore } from "../../../lib/jobs/mod.ts";
import { temporaryFolder } from "../../temporary.ts";

type Run = (job: Job<string>, context: JobContext) => Promise<string>;

/** A queue on a store of its own. */
function makeQueue(store: JobStore, run: Run, maxQueued = 100) {
  return new JobQueue<string, string>({
    store,
    maxQueued,
    run,
    judge: (error) => ({
      code: "broken",
      detail: (error as Error).message,
      retry: (error as Error).message === "again",
    }),
  });
}

let count = 0;
const ask = (request: string, more = {}) => ({
  id: `job ${count++}`,
  request,
  owner: "",
  fingerprint: request,
  ...more,
});

/** Waits for a job to be in a state. */
function reached(queue: JobQueue<string, string>, id: string, state: Job["state"]): Promise<void> {
  return new Promise((resolve) => {
    const done = queue.subscribe((job) => {
      if (job.id !== id || job.state !== state) return;
      done();
      resolve();
    });
    if (queue.get(id)?.state === state) resolve();
  });
}

/** Ends when it is told to. */
const patient: Run = (_, { signal }) =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve("stopped"));
    if (signal.aborted) resolve("stopped");
  });

Deno.test("JobQueue runs jobs one at a time, by priority and then by age", async () => {
  using folder = temporaryFolder();
  using store = JobStore.open(folder.file("jobs.db"));
  const order: string[] = [];
  let running = 0;
  const queue = makeQueue(store, async ({ request }) => {
    assert.equal(++running, 1);
    await Promise.resolve();
    running--;
    order.push(request);
    return request.toUpperCase();
  });
  queue.submit(ask("a"));
  queue.submit(ask("b"));
  const { job } = queue.submit(ask("low", { priority: -1 }));
  queue.submit(ask("high", { priority: 5 }));
  queue.start();
  await reached(queue, job.id, "succeeded");
  assert.deepEqual(order, ["high", "a", "b", "low"]);
  assert.equal(queue.get(job.id)!.result, "LOW");
  await queue.stop();
});

Deno.test("JobQueue goes on with what the process before it left", async () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  let id = "";
  {
    using store = JobStore.open(path);
    const queue = makeQueue(store, patient);
    queue.start();
    id = queue.submit(ask("a")).job.id;
    queue.submit(ask("b"));
    await queue.stop();
    assert.equal(queue.get(id)!.state, "interrupted");
  }
  using store = JobStore.open(path);
  // As a kill leaves it: nobody could write that it was interrupted.
  store.put({ ...store.get(id)!, state: "processing" });
  const order: string[] = [];
  const queue = makeQueue(store, ({ request }) => Promise.resolve(order.push(request) + ""));
  queue.start();
  const last = store.inStates("queued")[0]!.id;
  await reached(queue, last, "succeeded");
  assert.deepEqual(order, ["a", "b"]);
  await queue.stop();
});

Deno.test("JobQueue lets the running job succeed early, and no other", async () => {
  using folder = temporaryFolder();
  using store = JobStore.open(folder.file("jobs.db"));
  const queue = makeQueue(store, patient);
  const [{ id }, waiting] = [queue.submit(ask("a")).job, queue.submit(ask("b")).job];
  queue.start();
  await reached(queue, id, "starting");
  assert.equal(queue.finish(waiting.id), false);
  assert.equal(queue.finish(id), true);
  assert.equal(queue.cancel(id)!.state, "starting", "the first word holds");
  await reached(queue, id, "succeeded");
  assert.equal(queue.get(id)!.result, "stopped");
  await queue.stop();
});

Deno.test("JobQueue keeps what a job was amended to, also while it runs", async () => {
  using folder = temporaryFolder();
  using store = JobStore.open(folder.file("jobs.db"));
  const queue = makeQueue(store, patient);
  const { id } = queue.submit(ask("a")).job;
  queue.start();
  await reached(queue, id, "starting");
  assert.equal(queue.amend(id, "b").request, "b");
  queue.finish(id);
  await reached(queue, id, "succeeded");
  assert.equal(queue.get(id)!.request, "b");
  await queue.stop();
});

Deno.test("JobQueue gives up a job that ends the process again and again", async () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  let id = "";
  for (let starts = 0; starts < 11; starts++) {
    using store = JobStore.open(path);
    const queue = makeQueue(store, patient);
    if (starts === 0) id = queue.submit(ask("bad")).job.id;
    queue.start();
    if (starts < 10) {
      await queue.stop();
      store.put({ ...store.get(id)!, state: "starting" });
    } else {
      await reached(queue, id, "failed");
      assert.equal(store.get(id)!.error!.code, "crashed");
      await queue.stop();
    }
  }
});

Deno.test("JobQueue tries once more where that may help, and not a second time soon after", async () => {
  using folder = temporaryFolder();
  using store = JobStore.open(folder.file("jobs.db"));
  const failures: Record<string, string[]> = {
    once: ["again"],
    twice: ["again", "again"],
    bad: ["no"],
  };
  const queue = makeQueue(store, ({ request }) => {
    const failure = failures[request]!.shift();
    return failure === undefined ? Promise.resolve("done") : Promise.reject(new Error(failure));
  });
  queue.start();
  const ids = ["once", "twice", "bad"].map((request) => queue.submit(ask(request)).job.id);
  await reached(queue, ids[2]!, "failed");
  assert.deepEqual(ids.map((id) => queue.get(id)!.state), ["succeeded", "failed", "failed"]);
  await queue.stop();
});

Deno.test("JobQueue makes one job of an id or a key, whatever happens in between", async () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  const key = { idempotencyKey: "k" };
  let id = "";
  {
    using store = JobStore.open(path);
    const queue = makeQueue(store, patient, 1);
    id = queue.submit(ask("a", key)).job.id;
    assert.deepEqual(queue.submit(ask("a", key)), { job: queue.get(id), isNew: false });
    assert.throws(() => queue.submit(ask("b", key)), { name: "ReusedError" });
    assert.deepEqual(queue.submit(ask("a", { id })), { job: queue.get(id), isNew: false });
    assert.throws(() => queue.submit(ask("b", { id })), { name: "ReusedError" });
    assert.throws(() => queue.submit(ask("c")), { name: "QueueFullError" });
  }
  using store = JobStore.open(path);
  const queue = makeQueue(store, patient);
  assert.equal(queue.submit(ask("a", key)).job.id, id);
  assert.equal(queue.submit(ask("a", { ...key, owner: "another" })).isNew, true);
  await queue.stop();
});
