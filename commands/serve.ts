import { Command } from "commander";
import { VERSION } from "../lib/version.ts";
import { createApp } from "../routes/app.ts";
import { listen, type Listening } from "../routes/listen.ts";
import type { ServiceConfig } from "../service/config.ts";
import { createLog } from "../service/log.ts";
import { Service, startWorkers, type Workers } from "../service/service.ts";
import { addServeOptions, checkExposure, describeConfig, readConfig } from "./serve_options.ts";

const NOTES = `
Every option may also come from the environment, as NADA_MAX_QUEUED=10, or from
the file of --config; the command line wins, then the environment.

Examples:
  nada serve --clip vit-b-32=ViT-B-32.pt --generator ffhq=ffhq.pt
  nada token add web --scope read,sample --data /var/lib/nada
  nada serve --host 0.0.0.0 --data /var/lib/nada --log-format json
`;

/** See CommandModule. */
export function register(command: Command): void {
  addServeOptions(command).addHelpText("after", NOTES).action(async () => {
    const config = readConfig(command);
    const settings = describeConfig(command);
    if (config.logFormat === "json") {
      createLog("json").info("Settings", Object.fromEntries(settings));
    } else {
      console.error(settings.map(([name, value]) => `  ${name} = ${value}`).join("\n"));
    }
    await serve(config);
  });
}

/** The app with everything as it is without options, for a server that somebody else runs. */
export async function defaultApp() {
  const command = addServeOptions(new Command());
  command.parse([], { from: "user" });
  const config = readConfig(command);
  return createApp(await Service.open(config, startWorkers(config)));
}

/** How long running requests may take once the process was told to stop. */
const GRACE_MS = 8_000;

/**
 * Serves until SIGINT, SIGTERM or the signal given, then lets running requests finish and keeps the
 * running job for the next start. Throws a UserError for a host that others could reach while there
 * is no token, a port that is taken, models that cannot be read, and a data folder that is in use.
 */
export async function serve(
  config: ServiceConfig,
  { signal, workers = startWorkers(config) }: { signal?: AbortSignal; workers?: Workers } = {},
): Promise<void> {
  const service = await Service.open(config, workers);
  let listening: Listening;
  try {
    const hasTokens = await service.tokens.areNeeded();
    checkExposure(config, hasTokens);
    listening = await listen(createApp(service), config);
    console.log(`nada ${VERSION} listens on ${listening.url}`);
    if (!hasTokens) {
      console.log("There is no token: whoever is on this machine may do everything");
    }
  } catch (error) {
    await service.close();
    throw error;
  }
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
