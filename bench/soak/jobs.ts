/** Many jobs, and many who follow them. */
import { join } from "node:path";
import { JobStore } from "../../lib/jobs/mod.ts";
import { startService } from "../../tests/service/made_up_service.ts";
import { readEvents } from "../../tests/service/read_events.ts";
import { pause, percentile, probe, type SoakCase } from "./case.ts";
import {
  allEnded,
  ASKED,
  cancel,
  connect,
  getJson,
  isReady,
  memoryOf,
  metric,
  startServer,
  stopServer,
  submit,
  until,
} from "./server.ts";

const fanOut: SoakCase = {
  id: "17",
  name: "followers of one job",
  target: "no gap, no event twice; /healthz p99 <= 50 ms",
  quick: false,
  async run({ data, models, random }) {
    const server = await startServer({ data: data(), models });
    const steps = 200;
    const { id } = await submit(server.url, { steps });
    let wrong = 0;
    const wanted = Array.from({ length: steps }, (_, i) => String(i + 1));
    const health = probe(`${server.url}/healthz`);
    const followers = 500;
    await Promise.all(Array.from({ length: followers }, async (_, k) => {
      const seen: string[] = [];
      let leaves = k < 100 ? 1 + Math.floor(random() * 3) : 0;
      for (let isDone = false; !isDone;) {
        const stop = new AbortController();
        const last = seen.at(-1);
        const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": last };
        const after = leaves > 0 ? 1 + Math.floor(random() * 60) : Infinity;
        try {
          const url = `${server.url}/v1/adaptations/${id}/events`;
          const response = await fetch(url, { headers, signal: stop.signal });
          let count = 0;
          for await (const { event, id: number, data } of readEvents(response)) {
            if (number !== null) seen.push(number);
            if (event === "state" && data.state === "succeeded") isDone = true;
            if (++count >= after) {
              leaves--;
              stop.abort();
              break;
            }
          }
        } catch { /* left on purpose */ }
      }
      const stepsSeen = seen.filter((each) => !each.endsWith("p"));
      if (stepsSeen.join() !== wanted.join() || new Set(seen).size !== seen.length) wrong++;
    }));
    const p99 = percentile(await health.stop(), 0.99);
    await stopServer(server);
    return {
      figure: `${followers} followers, 100 of them leaving and coming again: ${wrong} with a gap ` +
        `or a repetition; /healthz p99 ${p99.toFixed(0)} ms`,
      isRight: wrong === 0,
      isWithin: p99 <= 50,
    };
  },
};

const deaf: SoakCase = {
  id: "15e",
  name: "followers who read nothing",
  target: "closed <= 60 s, memory <= +100 MiB; who reads gets every event",
  quick: false,
  async run({ data: makeData, models }) {
    const data = makeData();
    const steps = 10_000;
    let server = await startServer({ data, models });
    const { id } = await submit(server.url, { steps: 1 });
    await allEnded(server.url, 300);
    await stopServer(server);
    // More than sockets hold: as many steps as there can be, of many layers.
    const log = join(data, "adaptations", id, "run", "log.jsonl");
    const entry = JSON.parse(await Deno.readTextFile(log));
    const layers = Array.from({ length: 50 }, (_, i) => `some_module.${i}.conv.weight`);
    const lines = Array.from(
      { length: steps },
      (_, step) => JSON.stringify({ ...entry, step, layers }),
    );
    await Deno.writeTextFile(log, lines.join("\n") + "\n");

    server = await startServer({ data, models });
    await isReady(server);
    const before = await memoryOf(server);
    let most = before;
    const events = `/v1/adaptations/${id}/events`;
    const connections = await Promise.all(Array.from({ length: 100 }, async () => {
      const connection = await connect(server);
      const head = `GET ${events} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(head));
      return connection;
    }));
    let [seen, bytes] = [0, 0];
    for await (const { event, data } of readEvents(await fetch(server.url + events))) {
      if (event === "step") seen++;
      bytes += JSON.stringify(data).length;
    }
    for (let k = 0; k < 60; k++) {
      await pause(1000);
      most = Math.max(most, await memoryOf(server));
    }
    // Of those that were let go there is no more to read than what was on its way.
    const got = await Promise.all(connections.map(readToEnd));
    const kept = got.filter((count) => count > bytes / 2).length;
    const { code } = await stopServer(server);
    return {
      figure: `100 followers of ${steps} steps: ${kept} there after 60 s, memory ` +
        `+${(most - before).toFixed(0)} MiB; who reads got ${seen} steps`,
      isRight: kept === 0 && seen === steps && code === 0,
      isWithin: most - before <= 100,
    };
  },
};

/** How many bytes there are until the connection ends. */
async function readToEnd(connection: Deno.TcpConn): Promise<number> {
  using _ = connection;
  const buffer = new Uint8Array(2 ** 16);
  let count = 0;
  for (;;) {
    const read = await connection.read(buffer).catch(() => null);
    if (read === null) return count;
    count += read;
  }
}

const overflow: SoakCase = {
  id: "18",
  name: "queue overflow",
  target: "exactly what fits is accepted, the rest 503 with Retry-After",
  quick: false,
  async run({ data, models, rounds }) {
    const server = await startServer({ data: data(), models, args: ["--max-queued", "100"] });
    // One that runs, so that what is accepted waits.
    const first = await submit(server.url, { steps: 5000 });
    await until(
      async () =>
        (await getJson(`${server.url}/v1/adaptations/${first.id}`)).state === "processing",
      30,
    );
    const statuses: number[] = [];
    const started = performance.now();
    for (const _ of rounds(100)) {
      const many = await Promise.all(
        Array.from({ length: 50 }, () => submit(server.url, { steps: 1 })),
      );
      statuses.push(...many.map(({ status }) => status));
    }
    const seconds = (performance.now() - started) / 1000;
    const accepted = statuses.filter((status) => status === 202).length;
    const refused = statuses.filter((status) => status === 503).length;
    await cancel(server.url, first.id);
    const finished = await allEnded(server.url, 600);
    const { adaptations } = await getJson(`${server.url}/v1/adaptations?state=succeeded&limit=100`);
    await stopServer(server);
    return {
      figure: `5000 submitted in ${seconds.toFixed(1)} s: ${accepted} accepted, ${refused} ` +
        `refused; ${adaptations.length} done`,
      isRight: finished && accepted === 100 && refused === 4900 && adaptations.length === 100,
      isWithin: true,
    };
  },
};

const idempotent: SoakCase = {
  id: "19",
  name: "one key, many submissions",
  target: "one job each, also after a restart",
  quick: true,
  async run({ data: makeData, models, quick, rounds }) {
    const data = makeData();
    const [sent, called] = quick ? [5, 5] : [100, 900];
    const ids: string[] = [];
    let wrong = 0;
    const round = async (submitAs: (key: string) => Promise<string>) => {
      const key = `round ${ids.length}`;
      const all = await Promise.all(Array.from({ length: 50 }, () => submitAs(key)));
      if (all[0] === undefined || new Set(all).size !== 1) wrong++;
      ids.push(all[0]!);
      return all[0]!;
    };
    const headers = (key: string) => ({ "idempotency-key": key });
    // What a job would make is not asked here, and most of the work: it is canceled.
    const start = async () => {
      const server = await startServer({ data, models });
      const submitAs = async (key: string) =>
        (await submit(server.url, { steps: 1 }, headers(key))).id;
      return { server, submitAs };
    };
    {
      const { server, submitAs } = await start();
      for (const _ of rounds(sent)) await cancel(server.url, await round(submitAs));
      server.kill("SIGKILL");
      await server.ended;
    }
    {
      // Without sockets and with nothing that runs, a round costs a tenth.
      await using service = await startService({ data });
      const { adaptations } = service.service;
      await adaptations.queue.stop();
      const submitAs = async (key: string) => {
        const response = await service.post(
          "/v1/adaptations",
          { ...ASKED, steps: 1 },
          headers(key),
        );
        return (await response.json()).id;
      };
      for (const _ of rounds(called)) adaptations.cancel(await round(submitAs));
    }
    const { server, submitAs } = await start();
    for (let k = 0; k < ids.length; k += 10) {
      const before = ids.slice(k, k + 10);
      const again = await Promise.all(before.map((_, i) => submitAs(`round ${k + i}`)));
      wrong += again.filter((id, i) => id !== before[i]).length;
    }
    server.kill("SIGKILL");
    await server.ended;
    using store = JobStore.open(join(data, "jobs.db"));
    const made = Object.values(store.counts()).reduce((sum, n) => sum + n, 0);
    return {
      figure: `${ids.length} rounds of 50, and again after kill -9: ${wrong} wrong, ${made} jobs`,
      isRight: wrong === 0 && made === ids.length,
      isWithin: true,
    };
  },
};

/** From when on to cancel the jobs that are submitted together. */
const PHASES: ((job: { started_at: string | null; progress: { step: number } }) => boolean)[] = [
  ({ progress: { step } }) => step > 0,
  ({ started_at }) => started_at !== null,
  () => true,
  () => true,
  () => true,
];

const storm: SoakCase = {
  id: "20",
  name: "cancel storm",
  target: "every job final, cancel p99 <= 1 s, device memory back",
  quick: true,
  async run({ data, models, quick, random, rounds }) {
    const server = await startServer({ data: data(), models });
    const deviceBytes = () => metric(server.url, "nada_device_bytes");
    await (await fetch(`${server.url}/v1/generators/small/samples/1.png`)).bytes();
    await submit(server.url, { steps: 1 });
    await allEnded(server.url, 300);
    const before = await deviceBytes();
    const jobs = quick ? 15 : 1000;
    const times: number[] = [];
    const ended = new Map<string, number>();
    for (const _ of rounds(jobs / PHASES.length)) {
      // One that runs, and those that wait for it; whichever is canceled first.
      await Promise.all(PHASES.map(async (isThere) => {
        const { id } = await submit(server.url, { steps: 1000 });
        const path = `${server.url}/v1/adaptations/${id}`;
        await until(async () => isThere(await getJson(path)), 120);
        await pause(random() * 500);
        const started = performance.now();
        await cancel(server.url, id);
        await until(async () => (await getJson(path)).finished_at !== null, 120);
        times.push(performance.now() - started);
        const { state, progress } = await getJson(path);
        const kind = `${state} ${progress.step > 0 ? "after some steps" : "before the first step"}`;
        ended.set(kind, (ended.get(kind) ?? 0) + 1);
      }));
    }
    const finished = await allEnded(server.url, 120);
    const after = await deviceBytes();
    await stopServer(server);
    const p99 = percentile(times, 0.99);
    const kinds = [...ended].map(([kind, n]) => `${n} ${kind}`).join(", ");
    return {
      figure: `${times.length} jobs, ${kinds}: p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ` +
        `${p99.toFixed(0)} ms; device memory ${before} and ${after} bytes`,
      isRight: finished && before === after &&
        ended.keys().every((kind) => kind.startsWith("canceled")),
      isWithin: p99 <= 1000,
    };
  },
};

export const jobs = [fanOut, deaf, overflow, idempotent, storm];
