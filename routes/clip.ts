import { createRoute, z } from "@hono/zod-openapi";
import { ModelName } from "../service/adaptation_request.ts";
import { checkText } from "../service/models.ts";
import type { Service } from "../service/service.ts";
import { allow } from "./callers.ts";
import { problems } from "./problem.ts";
import { createRouter } from "./router.ts";

const EmbeddingRequest = z.strictObject({
  clip: ModelName.default("demo"),
  texts: z.array(z.string().min(1).max(1000)).max(64).default([]),
  images: z.array(z.base64()).max(16).default([]).openapi({
    description: "PNG, JPEG or WebP files in base64.",
  }),
}).openapi("EmbeddingRequest");

const Vectors = z.array(z.array(z.number()));

const embed = createRoute({
  method: "post",
  path: "/v1/clip/embeddings",
  tags: ["clip"],
  summary: "CLIP's features of texts and images, of unit length",
  middleware: [allow("sample")],
  request: {
    body: { required: true, content: { "application/json": { schema: EmbeddingRequest } } },
  },
  responses: {
    200: {
      description: "In the order of the request; the cosine of two is their dot product.",
      content: {
        "application/json": {
          schema: z.object({
            clip: z.string(),
            dimensions: z.int(),
            texts: Vectors,
            images: Vectors,
          }),
        },
      },
    },
    ...problems(400, 401, 403, 413, 415, 422, 429, 503),
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/clip",
  tags: ["clip"],
  summary: "List the registered CLIP models",
  middleware: [allow("read")],
  responses: {
    200: {
      description: "All of them.",
      content: {
        "application/json": {
          schema: z.object({
            models: z.array(z.object({
              name: z.string(),
              kind: z.enum(["vit", "resnet"]),
              image_size: z.int(),
              dimensions: z.int(),
            })),
          }),
        },
      },
    },
    ...problems(401, 403),
  },
});

export function clipRoutes({ models, workers }: Service) {
  return createRouter()
    .openapi(list, (c) => {
      const all = [...models.clips.values()].map(({ name, architecture: { features, image } }) => ({
        name,
        kind: image.kind,
        image_size: image.imageSize,
        dimensions: features,
      }));
      return c.json({ models: all }, 200);
    })
    .openapi(embed, async (c) => {
      const { clip: name, texts, images } = c.req.valid("json");
      const clip = models.clip(name);
      for (const text of texts) checkText({ ...clip, templates: ["{}"] }, text);
      const files = images.map((base64, i) => ({
        name: `images.${i}`,
        bytes: Uint8Array.fromBase64(base64),
      }));
      const decoded = await workers.images.call("decode", { files });
      const features = await workers.gpu.call("embed", { clip: clip.path, texts, images: decoded });
      const rows = (all: readonly Float32Array[]) => all.map((row) => [...row]);
      return c.json({
        clip: name,
        dimensions: clip.architecture.features,
        texts: rows(features.texts),
        images: rows(features.images),
      }, 200);
    });
}
