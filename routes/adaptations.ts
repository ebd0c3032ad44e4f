import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { AdaptationId, AdaptationRequest, Name } from "../service/adaptation_request.ts";
import { AdaptationView, adaptationView, State } from "../service/adaptation_view.ts";
import type { AdaptationJob } from "../service/adaptations.ts";
import type { UploadedImage } from "../service/images/work.ts";
import type { Service } from "../service/service.ts";
import { ServiceError } from "../service/failure.ts";
import { allow } from "./callers.ts";
import { problems } from "./problem.ts";
import { createRouter, type Env } from "./router.ts";

const MAX_IMAGES = 64;
/** How long `?wait=true` waits. */
const WAIT_MS = 60_000;

const Form = z.object({
  request: z.string().openapi({ description: "An AdaptationRequest as JSON." }),
  images: z.union([z.file(), z.array(z.file()).max(MAX_IMAGES)]).openapi({
    type: "array",
    items: { type: "string", format: "binary" },
    description: "PNG, JPEG or WebP files to move towards.",
  }),
});

const IdParam = z.object({ id: AdaptationId });
const json = { "application/json": { schema: AdaptationView } };

const wait = z.object({
  wait: z.enum(["true", "false"]).default("false").openapi({
    description: "Answer when it has ended, or after a minute.",
  }),
});
// Not "required", or every kind of body would have to be valid at once.
const body = {
  content: {
    "application/json": { schema: AdaptationRequest },
    "multipart/form-data": { schema: Form },
  },
};
const accepted = {
  200: { description: "It has ended, or came before.", content: json },
  202: {
    description: "It is stored, and will be done.",
    headers: { Location: { schema: { type: "string" } } } as const,
    content: json,
  },
  ...problems(400, 401, 403, 409, 413, 415, 422, 429, 503, 507),
};

const submit = createRoute({
  method: "post",
  path: "/v1/adaptations",
  tags: ["adaptations"],
  summary: "Start an adaptation",
  middleware: [allow("adapt")],
  request: {
    headers: z.object({
      "idempotency-key": z.string().min(1).max(200).optional().openapi({
        description: "The same key with the same request gives the same adaptation.",
      }),
    }),
    query: wait,
    body,
  },
  responses: accepted,
});

const submitAs = createRoute({
  method: "put",
  path: "/v1/adaptations/{id}",
  tags: ["adaptations"],
  summary: "Start an adaptation under an id of the client's choice",
  description:
    "The same id with the same request gives the same adaptation, however often it is sent; with " +
    "another request it is a conflict.",
  middleware: [allow("adapt")],
  request: { params: IdParam, query: wait, body },
  responses: accepted,
});

const list = createRoute({
  method: "get",
  path: "/v1/adaptations",
  tags: ["adaptations"],
  summary: "List adaptations, newest first",
  middleware: [allow("read")],
  request: {
    query: z.object({
      state: State.optional(),
      cursor: z.string().regex(/^\d{1,15}$/).optional().openapi({
        description: "`next_cursor` of the page before.",
      }),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
  },
  responses: {
    200: {
      description: "A page.",
      content: {
        "application/json": {
          schema: z.object({
            adaptations: z.array(AdaptationView),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(401, 403, 422),
  },
});

const show = createRoute({
  method: "get",
  path: "/v1/adaptations/{id}",
  tags: ["adaptations"],
  summary: "How an adaptation is getting on",
  middleware: [allow("read")],
  request: { params: IdParam },
  responses: {
    200: { description: "The adaptation.", content: json },
    ...problems(401, 403, 404, 422),
  },
});

const cancel = createRoute({
  method: "post",
  path: "/v1/adaptations/{id}/cancel",
  tags: ["adaptations"],
  summary: "Cancel an adaptation; what it has reached is kept",
  middleware: [allow("adapt")],
  request: { params: IdParam },
  responses: {
    202: { description: "It ends after the step it is in.", content: json },
    ...problems(401, 403, 404, 409, 422),
  },
});

const finish = createRoute({
  method: "post",
  path: "/v1/adaptations/{id}/finish",
  tags: ["adaptations"],
  summary: "End an adaptation early; what it has reached becomes its generator",
  middleware: [allow("adapt")],
  request: { params: IdParam },
  responses: {
    202: { description: "It ends after the step it is in.", content: json },
    ...problems(401, 403, 404, 409, 422),
  },
});

const rename = createRoute({
  method: "patch",
  path: "/v1/adaptations/{id}",
  tags: ["adaptations"],
  summary: "Give an adaptation another name",
  middleware: [allow("adapt")],
  request: {
    params: IdParam,
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            name: Name.nullable().openapi({ description: "null for none." }),
          }),
        },
      },
    },
  },
  responses: {
    200: { description: "The adaptation.", content: json },
    ...problems(400, 401, 403, 404, 413, 415, 422),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/adaptations/{id}",
  tags: ["adaptations"],
  summary: "Delete an adaptation that has ended, and its generator",
  middleware: [allow("adapt")],
  request: { params: IdParam },
  responses: { 204: { description: "It is gone." }, ...problems(401, 403, 404, 409, 422) },
});

export function adaptationRoutes({ adaptations, workers, closing }: Service) {
  /** Pictures that can be read, so that a bad one is refused now and not when its turn comes. */
  async function readImages(files: readonly File[]): Promise<UploadedImage[]> {
    const images = await Promise.all(files.map(async (file) => ({
      name: file.name.slice(0, 100),
      bytes: new Uint8Array(await file.arrayBuffer()),
    })));
    await workers.images.call("decode", { files: images });
    return images;
  }

  /** The request and the pictures of a body of either kind. */
  async function readBody(
    type: string | undefined,
    valid: (kind: "json" | "form") => unknown,
  ): Promise<{ request: AdaptationRequest; images: UploadedImage[] }> {
    if (isJson(type)) return { request: valid("json") as AdaptationRequest, images: [] };
    if (!isForm(type)) {
      const message = "Cannot use the body: send application/json or multipart/form-data";
      throw new HTTPException(415, { message });
    }
    const form = valid("form") as z.infer<typeof Form>;
    const request = AdaptationRequest.parse(parseJson(form.request));
    return { request, images: await readImages([form.images].flat()) };
  }

  /** Where it is, and how it is, at once or when it has ended. */
  async function answer(
    c: Context<Env>,
    { job, isNew }: { readonly job: AdaptationJob; readonly isNew: boolean },
    isAwaited: boolean,
  ) {
    c.header("location", `/v1/adaptations/${job.id}`);
    if (isAwaited) {
      await adaptations.ended(
        job.id,
        AbortSignal.any([c.req.raw.signal, closing, AbortSignal.timeout(WAIT_MS)]),
      );
    }
    const now = adaptations.get(job.id);
    const view = await adaptationView(adaptations, now);
    return c.json(view, isNew && now.finishedAt === null ? 202 : 200);
  }

  return createRouter()
    .openapi(submit, async (c) => {
      const { request, images } = await readBody(
        c.req.header("content-type"),
        (kind) => c.req.valid(kind),
      );
      const submitted = await adaptations.submit(request, images, {
        owner: c.var.caller.name,
        idempotencyKey: c.req.valid("header")["idempotency-key"] ?? null,
      });
      return await answer(c, submitted, c.req.valid("query").wait === "true");
    })
    .openapi(submitAs, async (c) => {
      const { request, images } = await readBody(
        c.req.header("content-type"),
        (kind) => c.req.valid(kind),
      );
      const submitted = await adaptations.submit(request, images, {
        owner: c.var.caller.name,
        id: c.req.valid("param").id,
        idempotencyKey: null,
      });
      return await answer(c, submitted, c.req.valid("query").wait === "true");
    })
    .openapi(list, async (c) => {
      const { state, cursor, limit } = c.req.valid("query");
      const { jobs, next } = adaptations.page({
        limit,
        ...state && { state },
        ...cursor !== undefined && { before: Number(cursor) },
      });
      const positions = adaptations.positions();
      const views = await Promise.all(
        jobs.map((job) => adaptationView(adaptations, job, positions)),
      );
      return c.json({ adaptations: views, next_cursor: next === null ? null : String(next) }, 200);
    })
    .openapi(show, async (c) => {
      const job = adaptations.get(c.req.valid("param").id);
      return c.json(await adaptationView(adaptations, job), 200);
    })
    .openapi(cancel, async (c) => {
      const job = adaptations.cancel(c.req.valid("param").id);
      return c.json(await adaptationView(adaptations, job), 202);
    })
    .openapi(finish, async (c) => {
      const job = adaptations.finish(c.req.valid("param").id);
      return c.json(await adaptationView(adaptations, job), 202);
    })
    .openapi(rename, async (c) => {
      const job = adaptations.rename(c.req.valid("param").id, c.req.valid("json").name);
      return c.json(await adaptationView(adaptations, job), 200);
    })
    .openapi(remove, async (c) => {
      await adaptations.delete(c.req.valid("param").id);
      return c.body(null, 204);
    });
}

function isJson(type = ""): boolean {
  return /^application\/([a-z-.]+\+)?json\b/i.test(type);
}

function isForm(type = ""): boolean {
  return type.startsWith("multipart/form-data");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ServiceError("invalid_request", 'Cannot use the request: "request" is no JSON', {
      cause: error,
    });
  }
}
