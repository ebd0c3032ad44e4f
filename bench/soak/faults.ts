/** Disks, descriptors and devices that fail. */
import { join } from "node:path";
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { AdaptationRequest } from "../../service/adaptation_request.ts";
import { ASKED, startService } from "../../tests/service/made_up_service.ts";
import { CHECKPOINT_EVERY } from "../../service/adaptation_options.ts";
import { pause, percentile, type SoakCase } from "./case.ts";
import { allEnded, getJson, isReady, startServer, stopServer, submit, until } from "./server.ts";

const diskFull: SoakCase = {
  id: "6",
  name: "disk full",
  target: "507 or failed as disk_full, list readable, recovers",
  quick: false,
  async run({ data: makeData, models }) {
    const data = makeData();
    const mount = (args: string[]) => new Deno.Command(args[0]!, { args: args.slice(1) }).output();
    const mounted = await mount(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", data]);
    if (!mounted.success) {
      const figure = "not run: tmpfs cannot be mounted here";
      return { figure, isRight: true, isWithin: false };
    }
    try {
      const server = await startServer({ data, models });
      const full = `${data}/ballast`;
      const { id } = await submit(server.url, { steps: 4000, preview_every: 0 });
      await until(
        async () => (await getJson(`${server.url}/v1/adaptations/${id}`)).state === "processing",
        120,
      );
      const ballast = await Deno.open(full, { write: true, create: true });
      try {
        for (;;) await ballast.write(new Uint8Array(2 ** 12).fill(1));
      } catch { /* full */ }
      ballast.close();
      await until(async () => (await fetch(`${server.url}/readyz`)).status === 503, 5);
      const refused = (await submit(server.url).catch(() => ({ status: 0 }))).status;
      const listed = (await fetch(`${server.url}/v1/adaptations`)).status;
      // Until it has come to its next state, which it cannot write.
      const job = () => getJson(`${server.url}/v1/adaptations/${id}`);
      const states = async () => Math.floor((await job()).progress.step / CHECKPOINT_EVERY);
      const before = await states();
      await until(async () => await states() > before, 60);
      await pause(5000);
      await Deno.remove(full);
      await until(async () => (await job()).state === "failed", 60);
      const { state, error } = await job();
      const again = await submit(server.url, { steps: 2 });
      const finished = await allEnded(server.url, 300);
      const { state: after } = await getJson(`${server.url}/v1/adaptations/${again.id}`);
      await stopServer(server);
      return {
        figure: `submit ${refused}, list ${listed}, the running job ${state} as ${error?.code}; ` +
          `with space again ${after}`,
        isRight: refused === 507 && listed === 200 && state === "failed" &&
          error.code === "disk_full" && finished && after === "succeeded",
        isWithin: true,
      };
    } finally {
      await mount(["umount", data]);
    }
  },
};

const vanished: SoakCase = {
  id: "7",
  name: "data folder gone",
  target: "/readyz 503 within 2 s, process alive, ready when it is back",
  quick: false,
  async run({ data: makeData, models }) {
    const data = makeData();
    const server = await startServer({ data, models });
    const ready = async () => (await fetch(`${server.url}/readyz`)).status;
    await isReady(server);
    const before = await ready();
    await Deno.rename(data, `${data}.away`);
    const started = performance.now();
    const noticed = await until(async () => await ready() === 503, 5);
    const seconds = (performance.now() - started) / 1000;
    const alive = (await fetch(`${server.url}/healthz`)).ok;
    await Deno.rename(`${data}.away`, data);
    const back = await until(async () => await ready() === 200, 5);
    await stopServer(server);
    return {
      figure: `503 after ${seconds.toFixed(1)} s; alive: ${alive}; ready again: ${back}`,
      isRight: before === 200 && noticed && alive && back,
      isWithin: seconds <= 2,
    };
  },
};

const descriptors: SoakCase = {
  id: "8",
  name: "no file descriptors left",
  target: "alive, and answers again when there are some",
  quick: false,
  async run({ data, models }) {
    const server = await startServer({
      data: data(),
      models,
      shell: "ulimit -n 96",
      args: ["--max-connections", "4096"],
    });
    const { hostname, port } = new URL(server.url);
    const held: Deno.TcpConn[] = [];
    for (let k = 0; k < 150; k++) {
      const connection = await Deno.connect({ hostname, port: Number(port) }).catch(() => null);
      if (connection) held.push(connection);
    }
    const during = await fetch(`${server.url}/healthz`, { signal: AbortSignal.timeout(1000) })
      .then((response) => String(response.status), () => "no answer");
    held.forEach((connection) => connection.close());
    const back = await until(
      async () => (await fetch(`${server.url}/healthz`, { signal: AbortSignal.timeout(1000) })).ok,
      20,
    );
    const { code } = await stopServer(server);
    return {
      figure: `${held.length} connections: ${during}; answers again: ${back}; exit code ${code}`,
      isRight: back && code === 0,
      isWithin: true,
    };
  },
};

/** Calls of every kind that a run makes, by the prototype that has them. */
const CALLS: readonly (readonly [on: object, name: string])[] = [
  [GPUQueue.prototype, "submit"],
  [GPUDevice.prototype, "createComputePipeline"],
  [GPUBuffer.prototype, "mapAsync"],
  [GPUDevice.prototype, "createBuffer"],
  [GPUDevice.prototype, "createShaderModule"],
  [GPUDevice.prototype, "createBindGroup"],
  [GPUDevice.prototype, "createCommandEncoder"],
  [GPUQueue.prototype, "writeBuffer"],
];

/** Calls `act` just before the `count`-th call of this kind. Returns how to end that. */
function before([on, name]: readonly [object, string], count: number, act: () => void) {
  const methods = on as Record<string, (...args: unknown[]) => unknown>;
  const own = methods[name]!;
  let left = count;
  methods[name] = function (...args: unknown[]) {
    if (--left === 0) act();
    return own.apply(this, args);
  };
  return () => {
    methods[name] = own;
  };
}

const deviceLost: SoakCase = {
  id: "24",
  name: "device lost at every kind of call",
  target: "the job ends well, samples without an error, memory given back",
  quick: true,
  async run({ quick, random, rounds }) {
    const losses = quick ? 3 : 4 * CALLS.length;
    const seconds: number[] = [];
    let [lost, failures, leaks] = [0, 0, 0];
    for (const k of rounds(losses)) {
      await using service = await startService({ imageCacheBytes: 0 });
      const { adaptations } = service.service;
      const { post, request, gpu } = service;
      const draw = () => request(`/v1/generators/small/samples/${k}.png`);
      await draw();
      const { buffers } = await gpu.status();
      const call = CALLS[k % CALLS.length]!;
      const restore = before(call, 1 + Math.floor(60 * random()), () => void gpu.lose());
      try {
        const { id } = await (await post("/v1/adaptations", { ...ASKED, steps: 40 })).json();
        await until(async () => (await gpu.status()).lost > 0, 120);
        const started = performance.now();
        const image = await draw();
        seconds.push((performance.now() - started) / 1000);
        await adaptations.ended(id, AbortSignal.timeout(300_000));
        if (image.status !== 200 || adaptations.get(id).state !== "succeeded") failures++;
      } finally {
        restore();
      }
      await draw();
      const after = await gpu.status();
      lost += after.lost;
      if (after.buffers !== buffers) leaks++;
    }
    return {
      figure: `${lost} losses: ${failures} failures, ${leaks} with buffers left behind; a sample ` +
        `in between took at most ${percentile(seconds, 1).toFixed(1)} s`,
      isRight: failures === 0 && leaks === 0 && lost >= seconds.length,
      isWithin: true,
    };
  },
};

const diverged: SoakCase = {
  id: "27",
  name: "a loss that is no number",
  target: "the job fails and names the step, its last good state can be drawn from",
  quick: false,
  async run({ folder, random }) {
    const runs = 5;
    let wrong = 0;
    for (let k = 0; k < runs; k++) {
      await using service = await startService();
      const { adaptations } = service.service;
      const request = AdaptationRequest.parse({ ...ASKED, steps: 30, seed: k });
      // Steps that no request may ask for take the weights beyond all numbers.
      const lr = 10 ** (20 + 18 * random());
      const submitter = { owner: "", idempotencyKey: null };
      const { job: { id } } = await adaptations.submit({ ...request, lr }, [], submitter);
      await adaptations.ended(id, AbortSignal.timeout(300_000));
      const { state, error } = adaptations.get(id);
      const delta = join(folder, `delta ${k}`);
      await Deno.copyFile(adaptations.deltaPath(id), delta);
      using checkpoint = await openCheckpoint(delta);
      let isFinite = true;
      for (const tensor of checkpoint.tensors.values()) {
        isFinite &&= (await tensor.read()).every(Number.isFinite);
      }
      const isSaid = /the loss of step \d+ is no finite number/.test(error?.detail ?? "");
      const isReady = (await service.request("/readyz")).status === 200;
      if (state !== "failed" || !isSaid || !isFinite || !isReady) wrong++;
    }
    return { figure: `${runs} runs: ${wrong} wrong`, isRight: wrong === 0, isWithin: true };
  },
};

const DAY_MS = 24 * 3600 * 1000;

const clock: SoakCase = {
  id: "29",
  name: "the clock jumps by a day, forward and back",
  target: "no job lost, times to go stay sane",
  quick: false,
  async run() {
    await using service = await startService();
    const { adaptations } = service.service;
    const { post, request } = service;
    const now = Date.now;
    const ids: string[] = [];
    const submit = async () => {
      const response = await post("/v1/adaptations", { ...ASKED, steps: 40 });
      ids.push((await response.json()).id);
    };
    const step = (id: string) => adaptations.feed.progress(id, 40)?.step ?? 0;
    const etas: number[] = [];
    try {
      for (const days of [0, 1, -1, 0]) {
        Date.now = () => now() + days * DAY_MS;
        await submit();
        const id = ids[0]!;
        const from = step(id);
        await until(() => Promise.resolve(step(id) > from + 4 || step(id) === 40), 60);
        const { progress } = await (await request(`/v1/adaptations/${id}`)).json();
        etas.push(progress.eta_seconds ?? 0);
      }
      for (const id of ids) await adaptations.ended(id, AbortSignal.timeout(300_000));
      const ended = ids.filter((id) => adaptations.get(id).state === "succeeded").length;
      const longest = Math.max(...etas.map(Math.abs));
      return {
        figure: `${ended} of ${ids.length} jobs done; at most ${longest.toFixed(0)} s to go`,
        isRight: ended === ids.length && longest < 3600,
        isWithin: true,
      };
    } finally {
      Date.now = now;
    }
  },
};

export const faults = [diskFull, vanished, descriptors, deviceLost, diverged, clock];
