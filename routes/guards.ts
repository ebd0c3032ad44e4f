/** What a request has to be like before anything looks into it. */
import type { Context } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { secureHeaders } from "hono/secure-headers";
import { isLoopback } from "../service/config.ts";
import { problem } from "./problem.ts";
import type { Env } from "./router.ts";
import { STYLE_SOURCE } from "./ui/mod.ts";

/** Pages of this server load nothing from elsewhere and are shown in no frame. */
export const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'self'"],
    styleSrc: ["'self'", STYLE_SOURCE],
    imgSrc: ["'self'", "data:", "blob:"],
    objectSrc: ["'none'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  strictTransportSecurity: false, // whoever puts TLS in front says so
});

/**
 * Refuses what comes from pages of other origins. A server on loopback is also asked for by no name
 * but loopback's: a page elsewhere could have its own name point here.
 */
export function checkOrigin(host: string, origins: readonly string[]) {
  return createMiddleware<Env>(async (c, next) => {
    const asked = new URL(c.req.url);
    if (isLoopback(host) && !isLoopback(asked.hostname.replace(/^\[(.*)\]$/, "$1"))) {
      const detail = `Cannot answer for the host "${asked.host}": ask for localhost`;
      return problem(c, 421, { code: "wrong_host", detail });
    }
    const origin = c.req.header("origin");
    if (origin === undefined || origins.includes(origin) || isOwn(asked, origin)) {
      return await next();
    }
    const detail =
      `Cannot answer pages of "${origin}": it is not among the --cors-origin of this ` +
      `server`;
    return problem(c, 403, { code: "wrong_origin", detail });
  });
}

export function allowOrigins(origins: readonly string[]) {
  return cors({
    origin: [...origins],
    allowHeaders: ["authorization", "content-type", "idempotency-key", "last-event-id"],
    exposeHeaders: ["location", "etag", "retry-after", "x-request-id"],
    maxAge: 600,
  });
}

/** Bytes that the bodies of all requests together may take in memory, and one of them. */
export interface BodyLimits {
  readonly totalBytes: number;
  readonly bytesFor: (c: Context) => number;
}

/** Bodies so small count as nothing. */
const SMALL_BYTES = 2 ** 16;

/** Refuses bodies that are too large, also where they do not say so, and too many at a time. */
export function limitBodies({ totalBytes, bytesFor }: BodyLimits) {
  let inMemory = 0;
  return createMiddleware<Env>(async (c, next) => {
    const length = c.req.header("content-length");
    const isChunked = c.req.header("transfer-encoding") !== undefined;
    if (length === undefined && !isChunked) return await next();
    const most = bytesFor(c);
    // The server reads no more of a body than it said that there is.
    const bytes = length === undefined ? most : Number(length);
    if (bytes > most) return tooLarge(c, most);
    const counted = bytes > SMALL_BYTES ? bytes : 0;
    if (inMemory + counted > totalBytes) {
      const detail = "Cannot take the body now: others are being sent; try later";
      c.header("connection", "close"); // it is not read
      return problem(c, 503, { code: "busy", detail });
    }
    inMemory += counted;
    try {
      const limit = length === undefined ? cutBody(c, most) : null;
      await next();
      if (limit?.isPassed()) c.res = tooLarge(c, most);
    } finally {
      inMemory -= counted;
    }
  });
}

/** Lets whoever reads the body fail once there is more of it. */
function cutBody(c: Context<Env>, most: number): { isPassed(): boolean } {
  let bytes = 0;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > most) controller.error(new Error(`the body is larger than ${most} bytes`));
      else controller.enqueue(chunk);
    },
  });
  const { url, method, headers, body, signal } = c.req.raw;
  c.req.raw = new Request(url, { method, headers, body: body!.pipeThrough(counting), signal });
  return { isPassed: () => bytes > most };
}

function tooLarge(c: Context, maxSize: number): Response {
  const detail = `Cannot take the body: it is larger than ${maxSize} bytes`;
  c.header("connection", "close"); // the rest of it is not read
  return problem(c, 413, { code: "too_large", detail });
}

/** Whether the page came from this server, with or without TLS in front of it. */
function isOwn({ host }: URL, origin: string): boolean {
  return origin.replace(/^https?:\/\//, "") === host;
}
