/** A durable queue: jobs on disk, run one at a time by a handler that knows what they are. */
export {
  isFinal,
  type Job,
  JOB_STATES,
  type JobError,
  type JobState,
  QueueFullError,
  ReusedError,
} from "./job.ts";
export { type JobContext, JobQueue } from "./queue.ts";
export { JobStore } from "./store.ts";
