/** Disks, descriptors and devices that fail. */
import { ASKED, startService } from "../../tests/service/made_up_service.ts";
import { percentile, type SoakCase } from "./case.ts";
import { allEnded, getJson, startServer, stopServer, submit, until } from "./server.ts";

const diskFull: SoakCase = {
  name: "6 disk full",
  target: "507 or failed as disk_full, list readable, recovers",
  quick: false,
  async run({ data: makeData, models }) {
    const data = makeData();
    const mount = (args: string[]) => new Deno.Command(args[0]!, { args: args.slice(1) }).output();
    const mounted = await mount(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", data]);
    if (!mounted.success) return { figure: "not run: tmpfs cannot be mounted here", passed: true };
    try {
      const server = await startServer({ data, models });
      const full = `${data}/ballast`;
      const { id } = await submit(server.url, { steps: 4000, preview_every: 0 });
      await until(
        async () => (await getJson(`${server.url}/v1/adaptations/${id}`)).state === "processing",
        30,
      );
      const ballast = await Deno.open(full, { write: true, create: true });
      try {
        for (;;) await ballast.write(new Uint8Array(2 ** 12).fill(1));
      } catch { /* full */ }
      ballast.close();
      await until(async () => (await fetch(`${server.url}/readyz`)).status === 503, 5);
      const refused = (await submit(server.url).catch(() => ({ status: 0 }))).status;
      const listed = (await fetch(`${server.url}/v1/adaptations`)).status;
      await Deno.remove(full);
      await until(
        async () => (await getJson(`${server.url}/v1/adaptations/${id}`)).state === "failed",
        20,
      );
      const { state, error } = await getJson(`${server.url}/v1/adaptations/${id}`);
      const again = await submit(server.url, { steps: 2 });
      const finished = await allEnded(server.url, 60);
      const { state: after } = await getJson(`${server.url}/v1/adaptations/${again.id}`);
      await stopServer(server);
      return {
        figure: `submit ${refused}, list ${listed}, the running job ${state} as ${error?.code}; ` +
          `with space again ${after}`,
        passed: refused === 507 && listed === 200 && state === "failed" &&
          error.code === "disk_full" && finished && after === "succeeded",
      };
    } finally {
      await mount(["umount", data]);
    }
  },
};

const vanished: SoakCase = {
  name: "7 data folder gone",
  target: "/readyz 503 within 2 s, process alive, ready when it is back",
  quick: true,
  async run({ data: makeData, models }) {
    const data = makeData();
    const server = await startServer({ data, models });
    const ready = async () => (await fetch(`${server.url}/readyz`)).status;
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
      passed: before === 200 && noticed && seconds <= 2 && alive && back,
    };
  },
};

const descriptors: SoakCase = {
  name: "8 no file descriptors left",
  target: "alive, and answers again when there are some",
  quick: true,
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
      passed: back && code === 0,
    };
  },
};

const deviceLost: SoakCase = {
  name: "24 device lost",
  target: "the job ends well, samples without an error, memory given back",
  quick: true,
  async run({ quick }) {
    const losses = quick ? 2 : 8;
    const seconds: number[] = [];
    let failures = 0;
    for (let k = 0; k < losses; k++) {
      await using service = await startService({ imageCacheBytes: 0 });
      const { adaptations } = service.service;
      const { id } = await (await service.post("/v1/adaptations", { ...ASKED, steps: 40 })).json();
      const step = 3 + 4 * k;
      await until(() => Promise.resolve((adaptations.feed.progress(id, 40)?.step ?? 0) > step), 30);
      await service.gpu.lose();
      const started = performance.now();
      const image = await service.request(`/v1/generators/small/samples/${k}.png`);
      seconds.push((performance.now() - started) / 1000);
      await adaptations.ended(id, AbortSignal.timeout(60_000));
      if (image.status !== 200 || adaptations.get(id).state !== "succeeded") failures++;
    }
    return {
      figure: `${losses} losses: ${failures} failures; a sample in between took at most ` +
        `${percentile(seconds, 1).toFixed(1)} s`,
      passed: failures === 0,
    };
  },
};

export const faults = [diskFull, vanished, descriptors, deviceLost];
