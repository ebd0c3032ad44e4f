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
const LIMITS = {
  headersTimeout: 10_000,
  /** For a whole request, body included. */
  requestTimeout: 60_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
};

/** More connections at a time are closed at once. */
const MAX_CONNECTIONS = 4096;

export interface Listening {
  /** As in "http://127.0.0.1:8787". */
  readonly url: string;
  /** Takes no more connections and closes the idle ones; resolves when the last request is answered. */
  close(): Promise<void>;
}

/** Throws a UserError where the port is taken or the address is not this machine's. */
export async function listen(app: App, host: string, port: number): Promise<Listening> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    createServer,
    serverOptions: LIMITS,
  }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) => reject(explain(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.address.includes(":") ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        // A connection is idle, and closed, once what is under way on it is answered.
        const closing = setInterval(() => server.closeIdleConnections(), 100);
        server.close(() => {
          clearInterval(closing);
          resolve();
        });
      }),
  };
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
