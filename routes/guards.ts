/** What a request has to be like before anything looks into it. */
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { secureHeaders } from "hono/secure-headers";
import { isLoopback } from "../service/config.ts";
import { problem } from "./problem.ts";
import type { Env } from "./router.ts";

/** Pages of this server load nothing from elsewhere and are shown in no frame. */
export const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'self'"],
    imgSrc: ["'self'", "data:", "blob:"],
    styleSrc: ["'self'", "'unsafe-inline'"],
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
    if (c.req.raw.body === null) return await next();
    const maxSize = bytesFor(c);
    const length = Number(c.req.header("content-length") ?? NaN);
    const bytes = Math.min(maxSize, Number.isNaN(length) ? maxSize : length);
    const counted = bytes > SMALL_BYTES ? bytes : 0;
    if (inMemory + counted > totalBytes) {
      const detail = "Cannot take the body now: others are being sent; try later";
      return problem(c, 503, { code: "busy", detail });
    }
    inMemory += counted;
    try {
      return await bodyLimit({ maxSize, onError: (c) => tooLarge(c, maxSize) })(c, next);
    } finally {
      inMemory -= counted;
    }
  });
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
