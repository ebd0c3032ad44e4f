/** Who asks, what they may do, and how often. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Scope, Token, Tokens } from "../service/tokens.ts";
import { problem } from "./problem.ts";
import type { Env } from "./router.ts";

export interface Caller {
  /** Of the token; "" where the server has none and answers everybody on this machine. */
  readonly name: string;
  readonly scopes: readonly Scope[];
}

/** Who comes without a token where none is needed. */
const ANYBODY: Caller = { name: "", scopes: ["admin"] };

/** Finds out who asks. `isOpen` are paths that answer everybody. */
export function identify(tokens: Tokens, isOpen: (path: string) => boolean) {
  const buckets = new Map<string, Bucket>();
  return createMiddleware<Env>(async (c, next) => {
    if (isOpen(c.req.path) || !await tokens.areNeeded()) {
      c.set("caller", ANYBODY);
      return await next();
    }
    const [, secret] = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    const token = secret === undefined ? null : await tokens.find(secret);
    if (!token) return unauthorized(c, secret !== undefined);
    c.set("caller", token);
    const wait = token.rate === null ? 0 : takeOne(buckets, token, token.rate);
    if (wait === 0) return await next();
    c.header("retry-after", String(Math.ceil(wait)));
    const detail = `Cannot answer more than ${token.rate} requests a minute with this token`;
    return problem(c, 429, { code: "rate_limited", detail });
  });
}

/** Lets only those on whose token has this scope; "admin" has them all. */
export function allow(scope: Scope) {
  return createMiddleware<Env>(async (c, next) => {
    const { scopes } = c.var.caller;
    if (scopes.includes(scope) || scopes.includes("admin")) return await next();
    const detail = `Cannot do this with this token: it lacks the scope "${scope}"`;
    return problem(c, 403, { code: "forbidden", detail });
  });
}

function unauthorized(c: Context, hasToken: boolean): Response {
  c.header("www-authenticate", `Bearer realm="nada"`);
  const detail = hasToken
    ? "Cannot answer: the token is unknown or was revoked"
    : "Cannot answer without a token: send it as Authorization: Bearer TOKEN";
  return problem(c, 401, { code: "unauthorized", detail });
}

/** Requests that are left, and when that was counted. */
interface Bucket {
  readonly left: number;
  readonly at: number;
}

/** Takes one of `rate` requests a minute. Returns the seconds to wait, 0 if it may go on. */
function takeOne(buckets: Map<string, Bucket>, { sha256 }: Token, rate: number): number {
  const now = performance.now();
  const { left, at } = buckets.get(sha256) ?? { left: rate, at: now };
  const filled = Math.min(rate, left + (now - at) / 60_000 * rate);
  const isEnough = filled >= 1;
  buckets.set(sha256, { left: isEnough ? filled - 1 : filled, at: now });
  return isEnough ? 0 : (1 - filled) * 60 / rate;
}
