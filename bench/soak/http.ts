/** What clients may do to the server, on purpose or not. */
import { pause, percentile, probe, type Room, type SoakCase } from "./case.ts";
import {
  connect,
  isReady,
  memoryOf,
  type Server,
  startBareServer,
  startServer,
  stopServer,
} from "./server.ts";

const encoder = new TextEncoder();

/** Sends bytes as they are; the status of the answer, or "closed". */
export async function raw(
  server: Server,
  bytes: Uint8Array | string,
  waitMs = 20_000,
): Promise<string> {
  const connection = await connect(server);
  try {
    const content = typeof bytes === "string" ? encoder.encode(bytes) : bytes;
    const buffer = new Uint8Array(4096);
    const reading = connection.read(buffer).catch(() => null);
    for (let at = 0; at < content.length;) {
      at += await connection.write(content.subarray(at)).catch(() => content.length);
    }
    const late = pause(waitMs).then(() => "late" as const);
    const count = await Promise.race([reading, late]);
    if (count === "late") return "late";
    if (count === null) return "closed";
    return /^HTTP\/1\.[01] (\d{3})/.exec(new TextDecoder().decode(buffer.subarray(0, count)))
      ?.[1] ??
      "garbage";
  } finally {
    connection.close();
  }
}

const SHAPES: ((random: () => number) => string)[] = [
  () => "G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
  () => "GET /\u0000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "GET / HTTP/1.1\r\n\r\n",
  () => "POST /v1/adaptations HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
  () => body("{}", "Content-Length: 2\r\nContent-Length: 3\r\n"),
  () => body("0\r\n\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
  () => body("zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
  () => body("{}", "Transfer-Encoding: gzip, nonsense\r\n"),
  (r) => `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000 + 20_000 * r())}\r\n\r\n`,
  (r) => `GET /${"a".repeat(20_000 + 20_000 * r())} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  () => `GET / HTTP/1.1\r\nHost: localhost\r\nX\u0001: y\r\n\r\n`,
  () => sized('{"source": "a", "target": 1e999, "clip": "tiny"}'),
  () => sized(`{"source": ${"[".repeat(30_000)}`),
  () => sized(`${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`),
  () => sized('{"source": "a\\u0000b", "target": {"x": 1}}'),
  () => sized('{"__proto__": {"source": "a"}, "constructor": 1}'),
  () => sized('{"steps": 1e308, "seed": -0.5, "source": [], "target": []}'),
  () => sized("null"),
  () => "GET /v1/adaptations?limit=-1&cursor=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "GET /v1/adaptations/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "GET /v1/generators/small/samples/1e9.png HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "DELETE /v1/generators/..%2f..%2fetc HTTP/1.1\r\nHost: localhost\r\n\r\n",
  (r) => Array.from({ length: 200 }, () => String.fromCharCode(256 * r())).join("") + "\r\n\r\n",
];

function body(content: string, headers: string): string {
  return "POST /v1/adaptations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
    `Connection: close\r\n${headers}\r\n${content}`;
}

function sized(content: string): string {
  return body(content, `Content-Length: ${encoder.encode(content).length}\r\n`);
}

/** How long the server is left alone until V8 has collected what a rush has left. */
const IDLE_MS = 30_000;

/** Sends malformed requests, with valid ones in between. */
async function attack(server: Server, count: number, { random, rounds }: Room) {
  const before = await memoryOf(server);
  const valid = probe(`${server.url}/healthz`);
  const answers = new Map<string, number>();
  for (const k of rounds(count)) {
    const answer = await raw(server, SHAPES[k % SHAPES.length]!(random));
    const kind = /^[45]/.test(answer) ? `${answer[0]}xx` : answer;
    answers.set(kind, (answers.get(kind) ?? 0) + 1);
  }
  return {
    answers,
    p99: percentile(await valid.stop(), 0.99),
    grown: await memoryOf(server) - before,
    /** After a while without requests. */
    async kept() {
      await pause(IDLE_MS);
      return await memoryOf(server) - before;
    },
  };
}

const malformed: SoakCase = {
  id: "13",
  name: "malformed HTTP",
  target: "only 4xx or closed, valid p99 <= 100 ms, memory <= +32 MiB once it is collected",
  quick: true,
  async run(room) {
    const { data, models, quick } = room;
    const count = quick ? 500 : 10_000;
    const server = await startServer({ data: data(), models });
    await isReady(server);
    const { answers, p99, grown, kept } = await attack(server, count, room);
    const left = await kept();
    const { code } = await stopServer(server);
    const bare = await startBareServer();
    const floor = await attack(bare, count, room);
    await stopServer(bare);
    const found = [...answers].map(([kind, n]) => `${n} ${kind}`).join(", ");
    const bad = [...answers.keys()].filter((kind) => kind !== "4xx" && kind !== "closed");
    return {
      figure: `${count}: ${found}; valid p99 ${p99.toFixed(0)} ms (a bare server's ` +
        `${floor.p99.toFixed(0)}); memory +${grown.toFixed(0)} MiB (+${floor.grown.toFixed(0)}), ` +
        `after ${IDLE_MS / 1000} s ${left.toFixed(0)}`,
      isRight: bad.length === 0 && code === 0,
      isWithin: p99 <= 100 && left <= 32,
    };
  },
};

/** Bodies that are not as long as they are said to be; what each is answered. */
async function falseLengths(server: Server): Promise<string[]> {
  const content = '{"source": "a", "target": "b", "generator": "small", "clip": "nobody"}';
  return await Promise.all([
    raw(server, body(content, `Content-Length: ${content.length - 9}\r\n`)),
    raw(server, body(content, "Content-Length: 1\r\n")),
    raw(server, body(content, "Content-Length: 99999999999\r\n")),
    // It waits for the rest, until the client gives up.
    raw(server, body(content, `Content-Length: ${content.length + 9}\r\n`), 500),
  ]);
}

const REFUSED = ["400", "413", "503", "closed"];

const bodies: SoakCase = {
  id: "14",
  name: "bodies without end, 100 at once",
  target: "400, 413, 503 or closed; memory <= +100 MiB",
  quick: true,
  async run({ data, models, quick }) {
    const server = await startServer({ data: data(), models });
    await isReady(server);
    const before = await memoryOf(server);
    let most = before;
    const watch = setInterval(
      async () => most = Math.max(most, await memoryOf(server).catch(() => 0) || 0),
      100,
    );
    const megabytes = quick ? 40 : 1000;
    const send = async (type: string) => {
      const connection = await connect(server);
      const buffer = new Uint8Array(512);
      const answer = connection.read(buffer).then((n) => n, () => null);
      const head = "POST /v1/adaptations HTTP/1.1\r\nHost: localhost\r\n" +
        `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
      try {
        await connection.write(encoder.encode(head));
        const piece = encoder.encode(`10000\r\n${"x".repeat(65536)}\r\n`);
        let isOpen = true;
        answer.then(() => isOpen = false);
        for (let k = 0; k < 16 * megabytes && isOpen; k++) await connection.write(piece);
      } catch { /* closed by the server */ }
      const n = await Promise.race([answer, pause(5000).then(() => -1)]);
      connection.close();
      if (n === null || n === 0) return "closed";
      if (n < 0) return "late";
      return new TextDecoder().decode(buffer.subarray(9, 12));
    };
    const answers = await Promise.all(
      Array.from(
        { length: 100 },
        (_, i) => send(i % 2 ? "application/json" : "multipart/form-data; boundary=x"),
      ),
    );
    const lengths = await falseLengths(server);
    clearInterval(watch);
    const healthy = (await fetch(`${server.url}/healthz`)).ok;
    await stopServer(server);
    const kinds = [...new Set(answers)].sort();
    return {
      figure: `answers ${kinds.join(", ")}; to false lengths ${lengths.join(", ")}; memory ` +
        `+${(most - before).toFixed(0)} MiB`,
      isRight: healthy && kinds.every((kind) => REFUSED.includes(kind)) &&
        lengths.slice(0, 3).every((kind) => [...REFUSED, "422"].includes(kind)) &&
        lengths[3] === "late",
      isWithin: most - before <= 100,
    };
  },
};

/** Opens many connections that send a letter a second, `head` first, beside valid requests. */
async function drip(server: Server, head: string, count: number, seconds: number) {
  const valid = probe(`${server.url}/healthz`);
  const started = performance.now();
  const closed = await Promise.all(Array.from({ length: count }, async () => {
    const connection = await connect(server);
    const buffer = new Uint8Array(512);
    let isOpen = true;
    const end = (async () => {
      while (await connection.read(buffer).catch(() => null) !== null);
      isOpen = false;
      return performance.now() - started;
    })();
    await connection.write(encoder.encode(head));
    const dripping = (async () => {
      for (let k = 0; k < seconds && isOpen; k++) {
        await pause(1000);
        await connection.write(encoder.encode("h")).catch(() => {});
      }
    })();
    const at = await Promise.race([end, pause(1000 * seconds).then(() => Infinity)]);
    connection.close();
    await dripping;
    return at;
  }));
  return { p99: percentile(await valid.stop(), 0.99), last: Math.max(...closed) / 1000 };
}

const slow: SoakCase = {
  id: "15",
  name: "slow clients",
  target: "valid p99 <= 250 ms; slow headers closed <= 30 s, slow bodies <= 70 s",
  quick: true,
  async run({ data, models, quick }) {
    const count = quick ? 200 : 1000;
    const head = "GET / HTTP/1.1\r\nHost: local";
    const server = await startServer({ data: data(), models });
    const headers = await drip(server, head, count, 30);
    // As long as a whole request may take.
    const bodies = quick ? null : await drip(server, body("{", "Content-Length: 500\r\n"), 500, 75);
    const { code } = await stopServer(server);
    const bare = await startBareServer();
    const floor = await drip(bare, head, count, 30);
    await stopServer(bare);
    return {
      figure: `${count} slow headers: the last closed after ${headers.last.toFixed(1)} s; valid ` +
        `p99 ${headers.p99.toFixed(0)} ms (a bare server's ${floor.p99.toFixed(0)})` +
        (bodies
          ? `; 500 slow bodies: ${bodies.last.toFixed(1)} s, p99 ${bodies.p99.toFixed(0)} ms`
          : ""),
      isRight: code === 0 && headers.last < Infinity && (bodies === null || bodies.last < Infinity),
      isWithin: headers.last <= 30 && headers.p99 <= 250 &&
        (bodies === null || bodies.last <= 70 && bodies.p99 <= 250),
    };
  },
};

/** Clients that ask for one of `paths` again and again. */
async function hammer(paths: readonly string[], clients: number, seconds: number) {
  const end = performance.now() + 1000 * seconds;
  const times: number[] = [];
  let errors = 0;
  await Promise.all(Array.from({ length: clients }, async (_, i) => {
    while (performance.now() < end) {
      const started = performance.now();
      const response = await fetch(paths[i % paths.length]!).catch(() => null);
      if (!response?.ok) errors++;
      await response?.bytes();
      times.push(performance.now() - started);
    }
  }));
  return { errors, rate: times.length / seconds, p99: percentile(times, 0.99) };
}

const many: SoakCase = {
  id: "16",
  name: "200 keep-alive clients",
  target: "0 errors, p99 <= 200 ms, >= 2000 requests/s",
  quick: false,
  async run({ data, models }) {
    const server = await startServer({ data: data(), models });
    const image = `${server.url}/v1/generators/small/samples/1.png`;
    await (await fetch(image)).bytes();
    const { errors, rate, p99 } = await hammer([`${server.url}/healthz`, image], 200, 60);
    await stopServer(server);
    const bare = await startBareServer();
    const floor = await hammer([`${bare.url}/healthz`], 200, 10);
    await stopServer(bare);
    return {
      figure: `${rate.toFixed(0)} requests/s, p99 ${p99.toFixed(0)} ms, ${errors} errors (a bare ` +
        `server: ${floor.rate.toFixed(0)}/s, ${floor.p99.toFixed(0)} ms; the client shares the ` +
        `two cores)`,
      isRight: errors === 0,
      isWithin: p99 <= 200 && rate >= 2000,
    };
  },
};

const PARTS = [
  "..",
  "../..",
  "%2e%2e",
  "%252e%252e",
  "..%2f..%2fjobs.db",
  "..%5c..%5cjobs.db",
  "%00",
  "loss.png%00.jpg",
  "/etc/passwd",
  "%2fetc%2fpasswd",
  "C:%5cwindows",
  "loss.png::$DATA",
  "․․/loss.png",
  "%ef%bc%8e%ef%bc%8e%2f",
  "CON",
  "nul.png",
  "a".repeat(300),
  ".",
  "~root",
  "%c0%ae%c0%ae%2f",
];

/** What paths with dots may resolve to, within the server. */
const INSIDE = [
  ...["/", "/docs", "/docs/", "/v1/adaptations", "/v1/adaptations/"],
  ...["/v1/generators", "/v1/generators/", "/v1/generators/small", "/v1/generators/small/"],
];

const traversal: SoakCase = {
  id: "21",
  name: "path traversal",
  target: "400, 404, 414, 422 or 431, nothing from outside",
  quick: true,
  async run({ data, models }) {
    const server = await startServer({ data: data(), models });
    const id = crypto.randomUUID();
    const forms = [
      (part: string) => `/v1/adaptations/${part}`,
      (part: string) => `/v1/adaptations/${id}/files/${part}`,
      (part: string) => `/v1/adaptations/${id}/files/samples/${part}`,
      (part: string) => `/v1/adaptations/${part}/files/loss.png`,
      (part: string) => `/v1/adaptations/${part}/events`,
      (part: string) => `/v1/generators/${part}`,
      (part: string) => `/v1/generators/${part}/download`,
      (part: string) => `/v1/generators/${part}/samples/1.png`,
      (part: string) => `/v1/generators/small/samples/${part}`,
      (part: string) => `/docs/${part}`,
      (part: string) => `/v1/${part}/${part}/jobs.db`,
      (part: string) => `/${part}/${part}/${part}/etc/passwd`,
      (part: string) => `/v1/adaptations/${part}%2f..%2f${part}`,
      (part: string) => `/v1/generators/demo%2f${part}`,
      (part: string) => `/${part}`,
    ];
    const statuses = new Map<string, number>();
    let tried = 0;
    for (const form of forms) {
      for (const part of PARTS) {
        // As it is written: `fetch` would resolve the dots.
        const path = encodeURI(form(part)).replaceAll("%25", "%");
        let answer = await raw(
          server,
          `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
        );
        const { pathname } = new URL(server.url + path);
        if (answer === "200" && INSIDE.includes(pathname)) {
          answer = "a page that dots lead to";
        }
        statuses.set(answer, (statuses.get(answer) ?? 0) + 1);
        tried++;
      }
    }
    await stopServer(server);
    const found = [...statuses].map(([status, n]) => `${n} ${status}`).join(", ");
    const refused = ["400", "404", "414", "422", "431", "a page that dots lead to"];
    const bad = [...statuses].filter(([status]) => !refused.includes(status));
    return { figure: `${tried} paths: ${found}`, isRight: bad.length === 0, isWithin: true };
  },
};

export const http = [malformed, bodies, slow, many, traversal];
