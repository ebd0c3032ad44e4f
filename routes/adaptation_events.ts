import { createRoute, z } from "@hono/zod-openapi";
import { BEGINNING, type FeedEvent, type Position } from "../service/adaptation_feed.ts";
import { AdaptationId } from "../service/adaptation_request.ts";
import { adaptationView } from "../service/adaptation_view.ts";
import type { AdaptationJob } from "../service/adaptations.ts";
import type { Service } from "../service/service.ts";
import { allow } from "./callers.ts";
import { openEventStream } from "./event_stream.ts";
import { problems } from "./problem.ts";
import { createRouter } from "./router.ts";

const events = createRoute({
  method: "get",
  path: "/v1/adaptations/{id}/events",
  tags: ["adaptations"],
  summary: "Follow an adaptation",
  description:
    "Server-sent events: `state` with the adaptation, at once and after every change; `step` " +
    "{step, loss, parts, layers, ms, steps_per_second, eta_seconds}; `preview` {step, file, url}. " +
    "Steps and previews have ids: with the last one as `Last-Event-ID` the stream goes on behind " +
    "it, and nothing is left out or sent twice. The stream ends after a final state.",
  middleware: [allow("read")],
  request: {
    params: z.object({ id: AdaptationId }),
    headers: z.object({ "last-event-id": z.string().max(40).optional() }),
  },
  responses: {
    200: {
      description: "The stream.",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    ...problems(401, 403, 404, 422),
  },
});

export function adaptationEventRoutes({ adaptations, closing }: Service) {
  async function sent({ id, request: { steps } }: AdaptationJob, event: FeedEvent) {
    if (event.type === "state") {
      return { event: "state", data: await adaptationView(adaptations, event.job) };
    }
    const { type, step } = event;
    if (type === "preview") {
      const { file } = event;
      const url = `/v1/adaptations/${id}/files/${file}`;
      return { event: "preview", id: `${step}p`, data: { step, file, url } };
    }
    const { loss, parts, layers, ms } = event.entry;
    const progress = adaptations.feed.progress(id, steps);
    const data = {
      step,
      steps,
      loss,
      ...parts && { parts },
      layers,
      ms,
      steps_per_second: progress?.stepsPerSecond ?? null,
      eta_seconds: progress?.etaSeconds ?? null,
    };
    return { event: "step", id: String(step), data };
  }

  async function* follow(job: AdaptationJob, position: Position, signal: AbortSignal) {
    for await (const happened of adaptations.feed.follow(job.id, position, signal)) {
      yield await Promise.all(happened.map((event) => sent(job, event)));
    }
  }

  return createRouter().openapi(events, (c) => {
    const { id } = c.req.valid("param");
    const job = adaptations.get(id);
    const position = parsePosition(c.req.valid("header")["last-event-id"]);
    return openEventStream(c, (signal) => follow(job, position, signal), { closing }) as never;
  });
}

/** "12" is behind step 12, "12p" behind the preview after it. */
function parsePosition(text: string | undefined): Position {
  const [, step, preview] = /^(\d{1,9})(p?)$/.exec(text ?? "") ?? [];
  return step === undefined ? BEGINNING : { step: Number(step), preview: preview === "p" };
}
