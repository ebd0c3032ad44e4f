import { Command, InvalidArgumentError } from "commander";
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { createApp } from "../routes/app.ts";
import { listen } from "../routes/listen.ts";
import type { ServiceConfig } from "../service/config.ts";
import { parseCount, parseWhole } from "./options.ts";
import { Service, startWorkers, type Workers } from "../service/service.ts";

interface Flags {
  host: string;
  port: number;
  data: string;
  generator?: Record<string, string>;
  clip?: Record<string, string>;
  maxQueued: number;
  gpuCache: number;
  imageCache: number;
}

/** The app with everything as it is without options, for a server that somebody else runs. */
export async function defaultApp() {
  const config = configOf(addOptions(new Command()));
  return createApp(await Service.open(config, startWorkers(config)));
}

/** Hosts only this machine reaches. */
const LOOPBACK = ["127.0.0.1", "localhost", "::1"];

/** See CommandModule. */
export function register(command: Command): void {
  addOptions(command).action(() => serve(configOf(command)));
}

function addOptions(command: Command): Command {
  return command
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on, 0 for any free one", parsePort, 8787)
    .option("--data <dir>", "folder of jobs and results", "runs/service")
    .option("--generator <name=file>", "a generator that clients may name; several", collectModel)
    .option("--clip <name=path>", "a CLIP model that clients may name; several", collectModel)
    .option("--max-queued <n>", "adaptations that may wait", parseCount, 100)
    .option("--gpu-cache <MiB>", "device memory for adapted generators", parseWhole, 512)
    .option("--image-cache <MiB>", "memory for images that were drawn", parseWhole, 64);
}

function configOf(command: Command): ServiceConfig {
  const flags = command.opts<Flags>();
  return {
    host: flags.host,
    port: flags.port,
    data: resolve(flags.data),
    generators: flags.generator ?? {},
    clips: flags.clip ?? {},
    maxQueued: flags.maxQueued,
    gpuCacheBytes: flags.gpuCache * 2 ** 20,
    imageCacheBytes: flags.imageCache * 2 ** 20,
  };
}

/** How long running requests may take once the process was told to stop. */
const GRACE_MS = 8_000;

/**
 * Serves until SIGINT, SIGTERM or the signal given, then lets running requests finish and keeps the
 * running job for the next start. Throws a UserError for a host that others could reach, a port that
 * is taken, models that cannot be read, and a data folder that is in use.
 */
export async function serve(
  config: ServiceConfig,
  { signal, workers = startWorkers(config) }: { signal?: AbortSignal; workers?: Workers } = {},
): Promise<void> {
  if (!LOOPBACK.includes(config.host)) {
    throw new UserError(
      `Cannot listen on "${config.host}": others could reach it, and there is no authentication ` +
        `yet; use one of ${LOOPBACK.join(", ")}`,
    );
  }
  const service = await Service.open(config, workers);
  const listening = await listen(createApp(service), config.host, config.port)
    .catch(async (error) => {
      await service.close();
      throw error;
    });
  console.log(`nada ${VERSION} listens on ${listening.url}`);
  await stopSignal(signal);
  // Whatever takes longer goes on from its last state after the next start.
  await Promise.race([Promise.all([listening.close(), service.close()]), pause(GRACE_MS)]);
}

/** Resolves at SIGINT, SIGTERM or the signal given; a second signal ends the process at once. */
async function stopSignal(signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  for (const name of STOP_SIGNALS) Deno.addSignalListener(name, stop);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  await promise;
  for (const name of STOP_SIGNALS) Deno.removeSignalListener(name, stop);
}

const STOP_SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, ms)));
}

function collectModel(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, path] = /^([a-z0-9][a-z0-9._-]{0,63})=(.+)$/i.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Expected a name and a file, NAME=FILE.");
  return { ...before, [name]: resolve(path!) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
  }
  return port;
}
