/** The service as a process of its own, with the permissions that `./nada serve` gives it. */
import { join } from "node:path";
import { writeModels } from "../../tests/service/made_up_service.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

export interface ServerOptions {
  /** Its data folder; what was there before is taken up. */
  readonly data: string;
  /** Where the models are; see `modelFlags`. */
  readonly models: readonly string[];
  readonly args?: readonly string[];
  /** Put in front of the command, as in "ulimit -n 64". */
  readonly shell?: string;
}

export interface Server {
  readonly url: string;
  /** From its start to the line that says where it listens. */
  readonly startMs: number;
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<Deno.CommandStatus>;
  /** What it has written to standard error. */
  errors(): string;
}

/** Made-up models that take no time: a generator of 8x8 images, a CLIP of single letters. */
export async function modelFlags(folder: string): Promise<string[]> {
  const { generator, clip } = await writeModels((name) => join(folder, name));
  return ["--generator", `small=${generator}`, "--clip", `tiny=${clip}`];
}

export async function startServer(
  { data, models, args = [], shell }: ServerOptions,
): Promise<Server> {
  const started = performance.now();
  const command = [
    ...["run", "-q", "--no-prompt", "--config", `${ROOT}deno.json`, "-P=serve"],
    ...["--allow-net=127.0.0.1", `--allow-write=${data}`, `${ROOT}main.ts`, "serve"],
    ...["--port", "0", "--data", data, ...models, ...args],
  ];
  return await spawned(
    shell === undefined
      ? new Deno.Command("deno", { ...PIPED, args: command })
      : new Deno.Command("/bin/sh", {
        ...PIPED,
        args: ["-c", `${shell}; exec deno "$@"`, "sh", ...command],
      }),
    started,
  );
}

/** The runtime's own server, to compare with. */
export function startBareServer(): Promise<Server> {
  const file = new URL("bare_server.ts", import.meta.url).pathname;
  const args = [
    "run",
    "-q",
    "--no-prompt",
    "--config",
    `${ROOT}deno.json`,
    "--allow-net=127.0.0.1",
  ];
  return spawned(
    new Deno.Command("deno", { ...PIPED, args: [...args, "--allow-sys", file] }),
    performance.now(),
  );
}

const PIPED = { stdin: "null", stdout: "piped", stderr: "piped" } as const;

/** The process once it has told its address. */
async function spawned(command: Deno.Command, started: number): Promise<Server> {
  const process = command.spawn();
  let errors = "";
  collect(process.stderr, (text) => errors = (errors + text).slice(-20_000));
  const url = await new Promise<string>((resolve, reject) => {
    let out = "";
    collect(process.stdout, (text) => {
      const [found] = /http:\S+/.exec(out += text) ?? [];
      if (found) resolve(found);
    });
    process.status.then(({ code }) => reject(new Error(`it ended with ${code}: ${errors}`)));
  });
  return {
    url,
    startMs: performance.now() - started,
    kill: (signal) => process.kill(signal),
    ended: process.status,
    errors: () => errors,
  };
}

/** Ends it as a system does, and waits. */
export async function stopServer(server: Server): Promise<Deno.CommandStatus> {
  server.kill("SIGTERM");
  return await server.ended;
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  take: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream() as never)) {
    take(text as unknown as string);
  }
}

/** Waits until the device is open, which takes memory of its own. */
export async function isReady({ url }: Server): Promise<void> {
  await until(async () => {
    const response = await fetch(`${url}/readyz`);
    await response.body?.cancel();
    return response.ok;
  }, 120);
}

/** A connection on which nothing is sent yet. */
export function connect({ url }: Server): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

/** Memory of the server in MiB, by its own account. */
export async function memoryOf({ url }: Server): Promise<number> {
  return await metric(url, "process_resident_memory_bytes") / 2 ** 20;
}

/** A figure of /metrics. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

export const ASKED = {
  source: "a",
  target: "b",
  generator: "small",
  clip: "tiny",
  preview_every: 5,
  preview_count: 2,
};

export async function submit(
  url: string,
  more: object = {},
  headers: Record<string, string> = {},
): Promise<{ status: number; id: string }> {
  const response = await fetch(`${url}/v1/adaptations`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ ...ASKED, ...more }),
  });
  const { id } = await response.json();
  return { status: response.status, id };
}

export async function cancel(url: string, id: string): Promise<void> {
  const response = await fetch(`${url}/v1/adaptations/${id}/cancel`, { method: "POST" });
  await response.body?.cancel();
}

// deno-lint-ignore no-explicit-any
export async function getJson(url: string): Promise<any> {
  const response = await fetch(url);
  if (response.ok) return await response.json();
  throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}

/** Waits until a condition holds, for so many seconds at most. */
export async function until(condition: () => Promise<boolean>, seconds: number): Promise<boolean> {
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    if (await condition().catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Waits until all adaptations have ended. */
export function allEnded(url: string, seconds: number): Promise<boolean> {
  return until(async () => {
    for (const state of ["queued", "starting", "processing", "interrupted"]) {
      const { adaptations } = await getJson(`${url}/v1/adaptations?state=${state}&limit=1`);
      if (adaptations.length > 0) return false;
    }
    return true;
  }, seconds);
}
