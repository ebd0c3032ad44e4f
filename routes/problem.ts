/** Errors as problem documents (RFC 9457) with a stable `code`. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type Failure, type FailureCode, failureOf } from "../service/failure.ts";

export const Problem = z.object({
  status: z.int(),
  code: z.string().openapi({ description: "For programs: never reworded.", example: "not_found" }),
  title: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional().openapi({
    description: "What is wrong with which field.",
  }),
}).openapi("Problem");
export type Problem = z.infer<typeof Problem>;

const TITLES: Partial<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  507: "Insufficient Storage",
};

const STATUS: Record<FailureCode, ContentfulStatusCode> = {
  invalid_request: 422,
  too_large: 413,
  not_found: 404,
  conflict: 409,
  diverged: 500,
  device_lost: 503,
  gpu_out_of_memory: 503,
  does_not_fit: 422,
  canceled: 409,
  disk_full: 507,
  busy: 503,
  internal: 500,
};

/** Seconds after which a busy server may be asked again. */
const RETRY_AFTER = "5";

export function problem(
  c: Context,
  status: ContentfulStatusCode,
  { code, detail, errors }: Pick<Problem, "code" | "detail" | "errors">,
): Response {
  const body: Problem = {
    status,
    code,
    title: TITLES[status] ?? "Error",
    detail,
    ...errors && { errors },
  };
  if (status === 503) c.header("retry-after", RETRY_AFTER);
  return c.body(JSON.stringify(body), status, { "content-type": "application/problem+json" });
}

/** The answer to anything that was thrown. What nobody foresaw is told to the log alone. */
export function problemOf(c: Context, error: unknown, log: (error: unknown) => void): Response {
  if (error instanceof HTTPException) {
    const code = (TITLES[error.status] ?? "error").toLowerCase().replaceAll(" ", "_");
    return problem(c, error.status as ContentfulStatusCode, { code, detail: error.message });
  }
  if (error instanceof z.ZodError) return invalid(c, error);
  const failure: Failure = failureOf(error);
  if (failure.code !== "internal") {
    const { code, detail, field } = failure;
    const errors = field === undefined ? {} : { errors: [{ path: field, message: detail }] };
    return problem(c, STATUS[code], { code, detail, ...errors });
  }
  log(error);
  const detail = "Cannot answer: an unexpected error, described in the server's log";
  return problem(c, 500, { code: "internal", detail });
}

/** For `responses` of a route: what may go wrong. */
export function problems(...statuses: number[]) {
  return Object.fromEntries(statuses.map((status) => [status, {
    description: TITLES[status]!,
    content: { "application/problem+json": { schema: Problem } },
  }]));
}

/** The hook of every route that validates. */
export function onInvalid(
  result: { success: true } | { success: false; error: z.ZodError },
  c: Context,
): Response | undefined {
  return result.success ? undefined : invalid(c, result.error);
}

/** Field by field what is wrong. */
function invalid(c: Context, { issues }: z.ZodError): Response {
  const errors = issues.flatMap((issue) => {
    const { path, message } = issue;
    const paths = issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => [...path, key])
      : [path];
    return paths.map((path) => ({ path: path.map(String).join("."), message }));
  });
  const [{ path, message }] = errors as [typeof errors[number]];
  const detail = `Cannot use the request: ${path === "" ? "" : `"${path}": `}${message}`;
  return problem(c, 422, { code: "invalid_request", detail, errors });
}
