import assert from "node:assert/strict";
import { AdaptationFeed, BEGINNING, type FeedEvent } from "../../service/adaptation_feed.ts";
import type { AdaptationJob } from "../../service/adaptations.ts";
import { temporaryFolder } from "../temporary.ts";

const entryOf = (step: number) => ({ step, loss: 1 / (step + 1), layers: ["conv1"], ms: 10 });

/** A feed of one adaptation that has left this many steps, and a preview of every 50th. */
function made(steps: number, state = "processing") {
  const folder = temporaryFolder();
  const lines = Array.from({ length: steps }, (_, step) => JSON.stringify(entryOf(step)));
  Deno.writeTextFileSync(folder.file("log.jsonl"), lines.join("\n"));
  Deno.mkdirSync(folder.file("samples"));
  for (let step = 0; step <= steps; step += 50) {
    Deno.writeTextFileSync(folder.file(`samples/step_${String(step).padStart(4, "0")}.png`), "");
  }
  const job = { id: "one", state } as unknown as { id: string; state: string };
  const feed = new AdaptationFeed({
    runFolder: () => folder.file("."),
    job: () => ({ ...job }) as AdaptationJob,
  });
  const end = () => {
    job.state = "succeeded";
    feed.tellState(job as AdaptationJob);
  };
  return { feed, folder, end, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const nameOf = (event: FeedEvent) =>
  event.type === "state" ? event.job.state : `${event.type} ${event.step}`;

async function namesOf(events: AsyncIterable<FeedEvent[]>): Promise<string[]> {
  return (await Array.fromAsync(events)).flat().map(nameOf);
}

/** Steps and previews from one step to another, as they are to come. */
function wanted(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => from + 1 + i)
    .flatMap((step) => step % 50 === 0 ? [`step ${step}`, `preview ${step}`] : [`step ${step}`]);
}

const { signal } = new AbortController();

Deno.test("AdaptationFeed.follow() gives what a run has left, however much that is", async () => {
  using one = made(10_000, "succeeded");
  const names = await namesOf(one.feed.follow("one", BEGINNING, signal));
  assert.deepEqual(names, ["succeeded", "preview 0", ...wanted(0, 10_000), "succeeded"]);
  const behind = { step: 9_950, preview: false };
  assert.deepEqual(
    await namesOf(one.feed.follow("one", behind, signal)),
    ["succeeded", "preview 9950", ...wanted(9_950, 10_000), "succeeded"],
  );
  assert.deepEqual(await one.feed.last("one"), { step: 10_000, loss: 1 / 10_000 });
});

Deno.test("AdaptationFeed.follow() gives everything once, also to those who are slow", async () => {
  using one = made(100);
  const quick = namesOf(one.feed.follow("one", BEGINNING, signal));
  const slow = one.feed.follow("one", { step: 50, preview: true }, signal);
  const seen = (await slow.next()).value!.map(nameOf);
  one.feed.tell("one", { type: "start", done: 90, steps: 300 });
  // What was done after the last state is done again.
  for (let step = 90; step < 300; step++) {
    one.feed.tell("one", { type: "step", entry: entryOf(step) });
    if ((step + 1) % 50 === 0) {
      one.feed.tell("one", { type: "preview", step: step + 1, file: "samples/x.png" });
    }
    if (step % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  one.end();
  assert.deepEqual(await quick, [
    "processing",
    "preview 0",
    ...wanted(0, 300),
    "succeeded",
  ]);
  assert.deepEqual([...seen, ...await namesOf(slow)], [
    "processing",
    ...wanted(50, 300),
    "succeeded",
  ]);
  assert.equal(one.feed.progress("one", 300)!.step, 300);
});

Deno.test("AdaptationFeed.follow() leaves out a line of the log that is damaged", async () => {
  using one = made(3, "failed");
  const path = one.folder.file("log.jsonl");
  Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace('{"step":1,', '{"st'));
  const names = await namesOf(one.feed.follow("one", BEGINNING, signal));
  assert.deepEqual(names, ["failed", "preview 0", "step 1", "step 3", "failed"]);
});

Deno.test("AdaptationFeed.follow() ends when it is told to", async () => {
  using one = made(2);
  const stop = new AbortController();
  const names = namesOf(one.feed.follow("one", BEGINNING, stop.signal));
  await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  assert.deepEqual(await names, ["processing", "preview 0", "step 1", "step 2"]);
});
