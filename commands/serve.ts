import { type Command, InvalidArgumentError } from "commander";
import { UserError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { createApp } from "../routes/app.ts";

interface ServeOptions {
  host: string;
  port: number;
}

/** Hosts only this machine reaches. */
const LOOPBACK = ["127.0.0.1", "localhost", "::1"];

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--host <address>", "address to listen on: this machine only", "127.0.0.1")
    .option("--port <number>", "port to listen on, 0 for any free one", parsePort, 8787)
    .action((options: ServeOptions) => serve(options));
}

/**
 * Serves until SIGINT, SIGTERM or the signal given, then lets running requests finish.
 * Throws a UserError for a host that others could reach, or a port that is taken.
 */
export async function serve({ host, port }: ServeOptions, signal?: AbortSignal): Promise<void> {
  if (!LOOPBACK.includes(host)) {
    throw new UserError(
      `Cannot listen on "${host}": others could reach it, and there is no authentication yet; ` +
        `use one of ${LOOPBACK.join(", ")}`,
    );
  }
  const server = listen(host, port);
  const stop = () => {
    // Not listened for any more, a second signal ends the process at once.
    for (const name of STOP_SIGNALS) Deno.removeSignalListener(name, stop);
    server.shutdown();
  };
  for (const name of STOP_SIGNALS) Deno.addSignalListener(name, stop);
  signal?.addEventListener("abort", stop);
  await server.finished;
}

const STOP_SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

function listen(hostname: string, port: number): Deno.HttpServer {
  const app = createApp({ version: VERSION });
  const onListen = (address: Deno.NetAddr) => {
    const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
    console.log(`nada ${VERSION} listens on http://${host}:${address.port}`);
  };
  try {
    return Deno.serve({ hostname, port, onListen }, app.fetch);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(
      `Cannot listen on port ${port}: another program does; pass --port ${port + 1} or stop it`,
      { cause: error },
    );
  }
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
  }
  return port;
}
