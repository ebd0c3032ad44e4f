/** Who asks, and what they may do. */
import { createMiddleware } from "hono/factory";
import { problem } from "./problem.ts";
import type { Env } from "./router.ts";

export const SCOPES = ["read", "sample", "adapt", "admin"] as const;
export type Scope = typeof SCOPES[number];

export interface Caller {
  /** Of the token; "" where the server has none and answers everybody on this machine. */
  readonly name: string;
  readonly scopes: readonly Scope[];
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
