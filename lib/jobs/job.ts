/** What a durable job is, whatever it does. */

/**
 * queued → starting → processing → succeeded, failed or canceled. "interrupted": the process ended
 * in between, and the job goes on when the next one starts.
 */
export const JOB_STATES = [
  "queued",
  "starting",
  "processing",
  "succeeded",
  "failed",
  "canceled",
  "interrupted",
] as const;
export type JobState = typeof JOB_STATES[number];

const FINAL: readonly JobState[] = ["succeeded", "failed", "canceled"];

/** Whether nothing more happens to a job in this state. */
export function isFinal(state: JobState): boolean {
  return FINAL.includes(state);
}

export interface JobError {
  /** For programs: never reworded. */
  readonly code: string;
  readonly detail: string;
}

/** A job as it is stored. `Request` and `Result` are anything that JSON can hold. */
export interface Job<Request = unknown, Result = unknown> {
  readonly id: string;
  readonly state: JobState;
  /** Higher ones are started first. */
  readonly priority: number;
  readonly request: Request;
  readonly result: Result | null;
  readonly error: JobError | null;
  /** Times in milliseconds since 1970. */
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** How often it was started and neither ended nor got further. */
  readonly attempts: number;
  /** Who may repeat the submission: the token's name, or "". */
  readonly owner: string;
  /** Given by the client, unique for its owner; null for none. */
  readonly idempotencyKey: string | null;
  /** Hash of what was submitted, to tell a repetition from another request with the same key. */
  readonly fingerprint: string;
}

/** The queue is full: to be tried again later. */
export class QueueFullError extends Error {
  override name = "QueueFullError";
}

/** The same id or key came with another request. */
export class ReusedError extends Error {
  override name = "ReusedError";
}
