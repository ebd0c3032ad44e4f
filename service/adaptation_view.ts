/** An adaptation as clients see it. */
import { z } from "@hono/zod-openapi";
import { JOB_STATES } from "../lib/jobs/mod.ts";
import { AdaptationId, AdaptationRequest } from "./adaptation_request.ts";
import type { AdaptationJob, Adaptations } from "./adaptations.ts";

const Time = z.iso.datetime().openapi({ example: "2026-11-25T16:00:00.000Z" });

export const State = z.enum(JOB_STATES).openapi("State");

const Figures = z.object({
  clip: z.string(),
  direction_agreement: z.object({ mean: z.number(), worst: z.number() }),
  content_kept: z.object({ mean: z.number(), worst: z.number() }),
});

export const AdaptationView = z.object({
  id: AdaptationId,
  state: State,
  request: AdaptationRequest,
  style_images: z.int(),
  progress: z.object({
    step: z.int().openapi({ description: "Steps done." }),
    steps: z.int(),
    loss: z.number().nullable(),
    steps_per_second: z.number().nullable(),
    eta_seconds: z.number().nullable(),
  }),
  queue_position: z.int().nullable().openapi({ description: "0 for the one that is next." }),
  created_at: Time,
  started_at: Time.nullable(),
  finished_at: Time.nullable(),
  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
  generator: z.string().nullable().openapi({
    description: "What to draw with, once it has succeeded.",
  }),
  figures: z.array(Figures).openapi({ description: "What each CLIP model says of the result." }),
  files: z.array(z.string()).openapi({ description: "Below …/files/." }),
}).openapi("Adaptation");
export type AdaptationView = z.infer<typeof AdaptationView>;

const time = (ms: number | null) => ms === null ? null : new Date(ms).toISOString();

export async function adaptationView(
  adaptations: Adaptations,
  job: AdaptationJob,
  positions = adaptations.positions(),
): Promise<AdaptationView> {
  const { style_images, ...request } = job.request;
  const { step, steps, loss, stepsPerSecond, etaSeconds } = await adaptations.progress(job);
  return {
    id: job.id,
    state: job.state,
    request,
    style_images,
    progress: {
      step,
      steps,
      loss,
      steps_per_second: stepsPerSecond,
      eta_seconds: etaSeconds,
    },
    queue_position: positions.get(job.id) ?? null,
    created_at: time(job.createdAt)!,
    started_at: time(job.startedAt),
    finished_at: time(job.finishedAt),
    error: job.error,
    generator: job.state === "succeeded" ? job.id : null,
    figures: (job.result?.figures ?? []).map(({ clip, directionAgreement, contentKept }) => ({
      clip,
      direction_agreement: { ...directionAgreement },
      content_kept: { ...contentKept },
    })),
    files: await adaptations.files(job.id),
  };
}
