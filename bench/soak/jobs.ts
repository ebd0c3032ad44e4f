/** Many jobs, and many who follow them. */
import { readEvents } from "../../tests/service/read_events.ts";
import { pause, percentile, type SoakCase } from "./case.ts";
import { allEnded, getJson, metric, startServer, stopServer, submit, until } from "./server.ts";

const fanOut: SoakCase = {
  id: "17",
  name: "followers of one job",
  target: "no gap, no event twice",
  quick: false,
  async run({ data, models, random }) {
    const server = await startServer({ data: data(), models });
    const steps = 200;
    const { id } = await submit(server.url, { steps });
    let wrong = 0;
    const wanted = Array.from({ length: steps }, (_, i) => String(i + 1));
    await Promise.all(Array.from({ length: 300 }, async (_, k) => {
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
    await stopServer(server);
    return {
      figure:
        `300 followers, 100 of them leaving and coming again: ${wrong} with a gap or a repetition`,
      isRight: wrong === 0,
      isWithin: true,
    };
  },
};

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
    await fetch(`${server.url}/v1/adaptations/${first.id}/cancel`, { method: "POST" });
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
  async run({ data: makeData, models, quick, rounds: count }) {
    const data = makeData();
    const args = ["--max-queued", "2000"];
    const rounds = quick ? 10 : 1000;
    let server = await startServer({ data, models, args });
    const ids: string[] = [];
    let wrong = 0;
    const round = async (k: number) => {
      const key = { "idempotency-key": `round ${k}` };
      const all = await Promise.all(
        Array.from({ length: 50 }, () => submit(server.url, { steps: 1 }, key)),
      );
      const distinct = new Set(all.map(({ id }) => id));
      if (distinct.size !== 1 || distinct.has(undefined as never)) wrong++;
      if (ids[k] !== undefined && !distinct.has(ids[k]!)) wrong++;
      ids[k] = all[0]!.id;
    };
    for (const k of count(rounds)) await round(k);
    server.kill("SIGKILL");
    await server.ended;
    server = await startServer({ data, models, args });
    for (const k of count(rounds)) await round(k);
    server.kill("SIGKILL");
    await server.ended;
    return {
      figure: `${rounds} rounds of 50, and again after a restart: ${wrong} wrong`,
      isRight: wrong === 0,
      isWithin: true,
    };
  },
};

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
    for (const _ of rounds(jobs)) {
      const { id } = await submit(server.url, { steps: 1000 });
      await pause(random() * 700);
      const started = performance.now();
      await (await fetch(`${server.url}/v1/adaptations/${id}/cancel`, { method: "POST" })).body
        ?.cancel();
      await until(
        async () => (await getJson(`${server.url}/v1/adaptations/${id}`)).finished_at !== null,
        120,
      );
      times.push(performance.now() - started);
    }
    const finished = await allEnded(server.url, 120);
    const after = await deviceBytes();
    await stopServer(server);
    const p99 = percentile(times, 0.99);
    return {
      figure: `${jobs} jobs: cancel p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ` +
        `${p99.toFixed(0)} ms; device memory ${before} and ${after} bytes`,
      isRight: finished && before === after,
      isWithin: p99 <= 1000,
    };
  },
};

export const jobs = [fanOut, overflow, idempotent, storm];
