/** Puts the app on a port. */
import { createAdaptorServer } from "@hono/node-server";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "../lib/errors.ts";
import type { App } from "./app.ts";

/**
 * Node's server as Deno has it, because Deno's own closes no connection that is slow: neither one
 * that never ends its headers or its body, nor one that idles.
 */
export const LIMITS = {
  headersTimeout: 10_000,
  /** For a whole request, body included. */
  requestTimeout: 60_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
};

/** How often the server asks itself whether it still hears, and how long it waits for an answer. */
const WATCH_MS = 5_000;
const ANSWER_MS = 2_000;

/** While it closes: how often connections are looked at, and how long the last body may be sent. */
const CLOSING_MS = 100;
const QUIET_MS = 1_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** More connections at a time are closed at once; each takes a file descriptor. */
  readonly maxConnections: number;
}

export interface Listening {
  /** As in "http://127.0.0.1:8787". */
  readonly url: string;
  /** Takes no more connections and closes the idle ones; resolves when the last request is answered. */
  close(): Promise<void>;
}

/** Throws a UserError where the port is taken or the address is not this machine's. */
export async function listen(
  app: App,
  { host, port: wanted, maxConnections }: ListenOptions,
): Promise<Listening> {
  let underWay = 0;
  const server = createAdaptorServer({
    async fetch(request, env) {
      underWay++;
      try {
        return await app.fetch(request, env);
      } finally {
        underWay--;
      }
    },
    overrideGlobalObjects: false,
    createServer,
    serverOptions: LIMITS,
  }) as Server;
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once(
      "error",
      (error: Error & { code?: string }) => reject(explain(error, host, wanted)),
    );
    server.listen(wanted, host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  const watching = watch(server, url, () => server.listen(port, host));
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        clearInterval(watching);
        let quietMs = 0;
        const closing = setInterval(() => {
          quietMs = underWay === 0 ? quietMs + CLOSING_MS : 0;
          // Deno holds some connections for busy on which everything is answered.
          if (quietMs >= QUIET_MS) server.closeAllConnections();
          else server.closeIdleConnections();
        }, CLOSING_MS);
        server.close(() => {
          clearInterval(closing);
          resolve();
        });
      }),
  };
}

/**
 * Once file descriptors run out, Deno's server takes no more connections, also when there are some
 * again: where nothing answers though there is room, it is made to listen anew.
 */
function watch(server: Server, url: string, listenAgain: () => void): NodeJS.Timeout {
  let failures = 0;
  return setInterval(async () => {
    const count = await new Promise<number>((resolve) =>
      server.getConnections((_, count) => resolve(count))
    );
    if (count >= server.maxConnections) return;
    const isHeard = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) })
      .then(async (response) => {
        await response.body?.cancel();
        return true;
      }, () => false);
    failures = isHeard ? 0 : failures + 1;
    if (failures < 2 || !server.listening) return;
    failures = 0;
    server.close();
    listenAgain();
  }, WATCH_MS);
}

function explain(error: Error & { code?: string }, host: string, port: number): Error {
  if (error.code === "EADDRINUSE") {
    return new UserError(
      `Cannot listen on port ${port}: another program does; pass --port ${port + 1} or stop it`,
      { cause: error },
    );
  }
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return new UserError(`Cannot listen on "${host}": it is no address of this machine`, {
      cause: error,
    });
  }
  return error;
}
