/** How quick answers are while an adaptation trains. */
import { addToken, Tokens } from "../../service/tokens.ts";
import { percentile, probe, type SoakCase } from "./case.ts";
import { raw } from "./http.ts";
import { getJson, startServer, stopServer, submit, until } from "./server.ts";

const sampling: SoakCase = {
  id: "load",
  name: "8 clients draw with the demo generator while it is adapted",
  target: "1000 samples, 0 failures, p95 <= 1.5 s; /healthz p99 <= 50 ms",
  quick: false,
  async run({ data, models }) {
    const server = await startServer({ data: data(), models });
    const { id } = await submit(server.url, { generator: "demo", steps: 10_000, preview_every: 0 });
    const step = async () =>
      (await getJson(`${server.url}/v1/adaptations/${id}`)).progress.step as number;
    await until(async () => await step() > 2, 60);
    const health = probe(`${server.url}/healthz`);
    const [before, started] = [await step(), performance.now()];
    const times: number[] = [];
    let [next, failures] = [0, 0];
    await Promise.all(Array.from({ length: 8 }, async () => {
      while (next < 1000) {
        const seed = next++;
        const began = performance.now();
        const response = await fetch(`${server.url}/v1/generators/demo/samples/${seed}.png`);
        if (response.status !== 200) failures++;
        await response.bytes();
        times.push(performance.now() - began);
      }
    }));
    const seconds = (performance.now() - started) / 1000;
    const rate = (await step() - before) / seconds;
    const healthTimes = await health.stop();
    server.kill("SIGTERM");
    await server.ended;
    const [p50, p95] = [0.5, 0.95].map((p) => percentile(times, p) / 1000) as [number, number];
    const p99 = percentile(healthTimes, 0.99);
    return {
      figure: `${times.length} samples, ${failures} failures, p50 ${p50.toFixed(2)} s, p95 ` +
        `${p95.toFixed(2)} s, ${(times.length / seconds).toFixed(0)}/s beside ${rate.toFixed(1)} ` +
        `steps/s; /healthz p99 ${p99.toFixed(0)} ms`,
      isRight: failures === 0,
      isWithin: p95 <= 1.5 && p99 <= 50,
    };
  },
};

const auth: SoakCase = {
  id: "32",
  name: "tokens",
  target: "401, and no sign in the time of how much of a token was right",
  quick: false,
  async run({ data: makeData, models, rounds }) {
    const data = makeData();
    const token = await addToken(data, { name: "one", scopes: ["read"], rate: null });
    const server = await startServer({ data, models });
    const ask = async (secret: string) => {
      const headers = { authorization: `Bearer ${secret}` };
      const started = performance.now();
      const response = await fetch(`${server.url}/v1/generators`, { headers });
      await response.body?.cancel();
      return { status: response.status, ms: performance.now() - started };
    };
    const almost = token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
    const far = "nada_" + "z".repeat(token.length - 5);
    let wrong = (await ask(token)).status === 200 ? 0 : 1;
    const refused = ["401", "431"];
    const head = "GET /v1/generators HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    for (
      const secret of [null, "", "nada_", token.slice(0, -1), token + "A", "x".repeat(2 ** 20)]
    ) {
      const line = secret === null ? "" : `Authorization: Bearer ${secret}\r\n`;
      if (!refused.includes(await raw(server, `${head}${line}\r\n`))) wrong++;
    }
    const asked: Times = { almost: [], far: [] };
    for (const _ of rounds(4000)) {
      for (const [name, secret] of [["almost", almost], ["far", far]] as const) {
        const { status, ms } = await ask(secret);
        if (status !== 401) wrong++;
        asked[name].push(ms);
      }
    }
    await stopServer(server);
    // And without the noise of the network.
    const tokens = await Tokens.open(data);
    const compared: Times = { almost: [], far: [] };
    for (const _ of rounds(50_000)) {
      for (const [name, secret] of [["almost", almost], ["far", far]] as const) {
        const started = performance.now();
        if (await tokens.find(secret)) wrong++;
        compared[name].push(performance.now() - started);
      }
    }
    const t = [asked, compared].map(({ almost, far }) => Math.abs(welch(almost, far)));
    return {
      figure: `8000 guesses: t = ${t[0]!.toFixed(1)}; 100,000 compares: t = ${t[1]!.toFixed(1)}; ` +
        `${wrong} wrong answers`,
      isRight: wrong === 0,
      isWithin: Math.max(...t) < 4,
    };
  },
};

type Times = Record<"almost" | "far", number[]>;

/** Welch's t of two samples. */
function welch(a: readonly number[], b: readonly number[]): number {
  const about = (values: readonly number[]) => {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1);
    return { mean, error: variance / values.length };
  };
  const [one, other] = [about(a), about(b)];
  return (one.mean - other.mean) / Math.sqrt(one.error + other.error);
}

export const load = [sampling, auth];
