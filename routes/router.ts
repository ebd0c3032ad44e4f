import { OpenAPIHono } from "@hono/zod-openapi";
import { onInvalid } from "./problem.ts";
import type { Caller } from "./callers.ts";

/** What middleware leaves for the routes. */
export interface Env {
  Variables: {
    /** Of this request, also in the log and in the answer's x-request-id. */
    requestId: string;
    caller: Caller;
  };
}

/** A router whose routes validate by their schemas and are described in /openapi.json. */
export function createRouter(): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({ defaultHook: onInvalid, strict: false });
}
