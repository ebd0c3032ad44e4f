/** What went wrong, in a form that passes between threads and into answers. */
import { basename } from "node:path";
import { DeviceLostError, DeviceMemoryError, DoesNotFitError, UserError } from "../lib/errors.ts";

export interface Failure {
  /** For programs: never reworded. */
  readonly code: FailureCode;
  /** For people. */
  readonly detail: string;
  /** Where it lies in the request, as in "webhook.url". */
  readonly field?: string;
}

export type FailureCode =
  | "invalid_request"
  | "too_large"
  | "not_found"
  | "conflict"
  | "diverged"
  | "device_lost"
  | "gpu_out_of_memory"
  | "does_not_fit"
  | "canceled"
  | "disk_full"
  | "busy"
  | "internal";

/** An error that knows its code. */
export class ServiceError extends Error implements Failure {
  override name = "ServiceError";

  readonly field?: string;

  constructor(
    readonly code: FailureCode,
    readonly detail: string,
    { field, ...options }: ErrorOptions & { readonly field?: string } = {},
  ) {
    super(detail, options);
    if (field !== undefined) this.field = field;
  }
}

/** What `action` gives; where it finds a request invalid, that is said of this field. */
export function inField<T>(field: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code, detail } = failureOf(error);
    if (code !== "invalid_request") throw error;
    throw new ServiceError(code, detail, { field, cause: error });
  }
}

/** The same where messages speak of options of the command line: a request has fields instead. */
export function inFields<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code, detail } = failureOf(error);
    if (code !== "invalid_request") throw error;
    const fieldOf = (flag: string) => FIELDS[flag] ?? flag.replaceAll("-", "_");
    const [, first] = FLAG.exec(detail) ?? [];
    throw new ServiceError(
      code,
      detail.replaceAll(new RegExp(FLAG, "g"), (_, flag) => fieldOf(flag)),
      { cause: error, ...first !== undefined && { field: fieldOf(first) } },
    );
  }
}

const FLAG = /--([a-z][a-z-]*)/;

/** Fields with other names than the options that mean the same. */
const FIELDS: Readonly<Record<string, string>> = {
  "style-images": "images",
  "auto-layer-k": "auto_layers.count",
  "auto-layer-iters": "auto_layers.iterations",
  "auto-layer-batch": "auto_layers.batch",
  "lambda-direction": "lambdas.direction",
  "lambda-global": "lambdas.global",
  "lambda-patch": "lambdas.patch",
  "lambda-manifold": "lambdas.manifold",
};

/** SQLite's code for a full disk. */
const SQLITE_FULL = 13;

/** Files go by their names: the folders of this machine are nobody's business. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ServiceError) return error;
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "canceled", detail: "It was canceled" };
  }
  if (isDiskFull(error)) {
    return { code: "disk_full", detail: "Cannot write: the disk is full" };
  }
  const message = error instanceof Error ? error.message : String(error);
  const detail = message.replaceAll(/"(\/[^"]+)"/g, (_, path) => `"${basename(path)}"`);
  if (error instanceof DeviceLostError) return { code: "device_lost", detail };
  if (error instanceof DoesNotFitError) return { code: "does_not_fit", detail };
  if (error instanceof DeviceMemoryError) return { code: "gpu_out_of_memory", detail };
  if (error instanceof UserError) return { code: "invalid_request", detail };
  return { code: "internal", detail };
}

function isDiskFull(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, errcode, cause } = error as { code?: string; errcode?: number; cause?: unknown };
  return code === "ENOSPC" || code === "EDQUOT" || errcode === SQLITE_FULL || isDiskFull(cause);
}
