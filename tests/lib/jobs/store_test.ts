import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Job, JobStore } from "../../../lib/jobs/mod.ts";
import { seededRandom } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";

function job(id: string, changes: Partial<Job> = {}): Job {
  return {
    id,
    state: "queued",
    priority: 0,
    request: { text: `request of ${id}`, padding: "x".repeat(200) },
    result: null,
    error: null,
    createdAt: 1,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    owner: "",
    idempotencyKey: null,
    fingerprint: id,
    ...changes,
  };
}

/** A file with some jobs, closed in order. */
function filled(path: string, count: number): Job[] {
  const jobs = Array.from({ length: count }, (_, i) => job(`job ${i}`));
  using store = JobStore.open(path);
  jobs.forEach((each) => store.put(each));
  return jobs;
}

Deno.test("JobStore gives back what was put, also after it was opened again", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  const jobs = filled(path, 3);
  using store = JobStore.open(path);
  assert.deepEqual(store.damage, []);
  assert.deepEqual(jobs.map(({ id }) => store.get(id)), jobs);
  assert.equal(store.get("another"), null);
  store.put(job("job 1", { state: "succeeded" }));
  assert.deepEqual(store.counts(), { queued: 2, succeeded: 1 });
  assert.deepEqual(store.inStates("queued").map(({ id }) => id), ["job 0", "job 2"]);
});

Deno.test("JobStore pages run from the newest to the oldest, each job once", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  const jobs = filled(path, 7);
  using store = JobStore.open(path);
  const seen: string[] = [];
  let before: number | null | undefined;
  for (let pages = 0; before !== null && pages < 9; pages++) {
    const page = store.page({ limit: 3, ...before !== undefined && { before } });
    seen.push(...page.jobs.map(({ id }) => id));
    before = page.next;
  }
  assert.deepEqual(seen, jobs.map(({ id }) => id).reverse());
});

Deno.test("JobStore refuses a file that another process uses", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  using _store = JobStore.open(path);
  assert.throws(() => JobStore.open(path), { name: "UserError", message: /another nada serve/ });
});

Deno.test("JobStore refuses a file of a later release", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  filled(path, 1);
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  assert.throws(() => JobStore.open(path), { name: "UserError", message: /a later release/ });
});

Deno.test("JobStore survives a log that was cut anywhere, as a power cut leaves it", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  filled(path, 2);
  // What is written from here on is in the log alone.
  const open = JobStore.open(path);
  const sizes: number[] = [];
  for (let i = 2; i < 12; i++) {
    open.put(job(`job ${i}`));
    sizes.push(Deno.statSync(`${path}-wal`).size);
  }
  const [main, log] = [Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)];
  open[Symbol.dispose]();

  const random = seededRandom(1);
  for (let k = 0; k < 60; k++) {
    const cut = k < sizes.length ? sizes[k]! : Math.floor(random() * log.length);
    const copy = folder.file(`cut ${k}.db`);
    Deno.writeFileSync(copy, main);
    Deno.writeFileSync(`${copy}-wal`, log.subarray(0, cut));
    using store = JobStore.open(copy);
    assert.deepEqual(store.damage, [], `cut at ${cut}`);
    // What `put` had returned from by then is there.
    const acknowledged = 2 + sizes.filter((size) => size <= cut).length;
    const there = store.page({ limit: 100 }).jobs.length;
    assert.ok(there >= acknowledged, `${there} of ${acknowledged} after a cut at ${cut}`);
  }
});

Deno.test("JobStore notices a flipped bit, keeps what is whole, and opens", () => {
  using folder = temporaryFolder();
  const path = folder.file("jobs.db");
  const jobs = filled(path, 12);
  const bytes = Deno.readFileSync(path);
  const random = seededRandom(2);
  let damaged = 0;
  for (let k = 0; k < 150; k++) {
    const copy = folder.file(`flip ${k}.db`);
    const flipped = bytes.slice();
    const at = Math.floor(random() * bytes.length);
    flipped[at]! ^= 1 << Math.floor(random() * 8);
    Deno.writeFileSync(copy, flipped);
    let store: JobStore;
    try {
      store = JobStore.open(copy);
    } catch (error) {
      // A bit of the layout's number makes it look like a later release's.
      assert.match((error as Error).message, /a later release/);
      continue;
    }
    using opened = store;
    if (opened.damage.length > 0) damaged++;
    for (const kept of opened.page({ limit: 100 }).jobs) {
      assert.deepEqual(kept, jobs.find(({ id }) => id === kept.id), `bit flipped at ${at}`);
    }
    const lost = jobs.length - opened.page({ limit: 100 }).jobs.length;
    if (lost > 0) assert.ok(opened.damage.length > 0, `${lost} jobs are missing in silence`);
    opened.put(job("after"));
  }
  assert.ok(damaged > 10, `only ${damaged} of 150 were noticed`);
});
