import { createRoute, z } from "@hono/zod-openapi";
import { extname } from "node:path";
import type { Generator } from "../service/generators.ts";
import type { Service } from "../service/service.ts";
import { AdaptationId, AdaptationRequest, ModelName } from "../service/adaptation_request.ts";
import { allow } from "./callers.ts";
import { problems } from "./problem.ts";
import { createRouter } from "./router.ts";
import { sendFile } from "./send_file.ts";

export const GeneratorId = z.union([AdaptationId, ModelName]).openapi({ example: "demo" });
/** In a query. */
export const Class = z.coerce.number().pipe(z.int().min(0));
const params = z.object({ id: GeneratorId });

const GeneratorView = z.object({
  id: z.string().openapi({ description: "A registered name, or the id of an adaptation." }),
  kind: z.enum(["base", "adapted"]),
  base: z.string(),
  name: z.string().nullable().openapi({ description: "What people call it." }),
  resolution: z.int(),
  z_size: z.int(),
  w_size: z.int(),
  w_count: z.int().openapi({ description: "Layers that a w+ has rows for." }),
  classes: z.int().openapi({
    description: "Kinds of images to choose from by `class`; 0 for none.",
  }),
  class: z.int().nullable().openapi({ description: "The one that was adapted." }),
  sha256: z.string().nullable(),
  size_bytes: z.int().nullable().openapi({
    description: "Of its file: a base's own, or the delta; null where that is gone.",
  }),
  source: z.string().nullable(),
  target: AdaptationRequest.shape.target.nullable(),
  created_at: z.iso.datetime().nullable(),
}).openapi("Generator");

const list = createRoute({
  method: "get",
  path: "/v1/generators",
  tags: ["generators"],
  summary: "List generators: the registered bases, then what adaptations made, newest first",
  middleware: [allow("read")],
  responses: {
    200: {
      description: "All of them.",
      content: {
        "application/json": { schema: z.object({ generators: z.array(GeneratorView) }) },
      },
    },
    ...problems(401, 403),
  },
});

const show = createRoute({
  method: "get",
  path: "/v1/generators/{id}",
  tags: ["generators"],
  summary: "What a generator is",
  middleware: [allow("read")],
  request: { params },
  responses: {
    200: {
      description: "The generator.",
      content: { "application/json": { schema: GeneratorView } },
    },
    ...problems(401, 403, 404, 422),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/generators/{id}",
  tags: ["generators"],
  summary: "Delete an adapted generator, with its adaptation",
  middleware: [allow("adapt")],
  request: { params },
  responses: { 204: { description: "It is gone." }, ...problems(401, 403, 404, 409, 422) },
});

const download = createRoute({
  method: "get",
  path: "/v1/generators/{id}/download",
  tags: ["generators"],
  summary: "The file of a generator",
  middleware: [allow("read")],
  request: {
    params,
    query: z.object({
      format: z.enum(["delta", "original", "safetensors", "rosinality"]).optional().openapi({
        description: "`delta`: what an adaptation changed; `original`: the file of a base as it " +
          "is registered; `safetensors` and `rosinality` (.pt): the whole generator. Default: the " +
          "first of these that there is.",
      }),
      class: Class.optional().openapi({
        description: "Of a whole generator with classes. Default: the one that was adapted.",
      }),
    }),
  },
  responses: {
    200: {
      description: "The file.",
      content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
    },
    ...problems(401, 403, 404, 422),
  },
});

export function generatorRoutes({ generators }: Service) {
  const view = async (generator: Generator) =>
    generatorView(generator, await generators.sizeBytes(generator));

  return createRouter()
    .openapi(
      list,
      async (c) => c.json({ generators: await Promise.all(generators.list().map(view)) }, 200),
    )
    .openapi(show, async (c) => c.json(await view(generators.get(c.req.valid("param").id)), 200))
    .openapi(remove, async (c) => {
      await generators.delete(c.req.valid("param").id);
      return c.body(null, 204);
    })
    .openapi(download, async (c) => {
      const generator = generators.get(c.req.valid("param").id);
      const { format = generator.adaptation ? "delta" : "original", class: ofClass } = c.req.valid(
        "query",
      );
      const type = "application/octet-stream";
      if (format === "delta" || format === "original") {
        const path = generators.path(generator, format);
        const saveAs = `${generator.id}${extname(path)}`;
        return await sendFile(c, path, { type, saveAs }) as never;
      }
      const ending = format === "rosinality" ? ".pt" : ".safetensors";
      const path = await generators.write(generator, format, { ending, ofClass });
      const sent = await sendFile(c, path, { type, saveAs: `${generator.id}${ending}` });
      await Deno.remove(path); // what is open is sent all the same
      return sent as never;
    });
}

function generatorView(
  { id, base, adaptation }: Generator,
  sizeBytes: number | null,
): z.infer<typeof GeneratorView> {
  const { resolution, zSize, wSize, wCount } = base.architecture;
  return {
    id,
    kind: adaptation ? "adapted" : "base",
    base: base.name,
    name: adaptation?.request.name ?? null,
    resolution,
    z_size: zSize,
    w_size: wSize,
    w_count: wCount,
    classes: base.classes,
    class: adaptation?.request.class ?? null,
    sha256: adaptation ? adaptation.result!.sha256 : base.sha256,
    size_bytes: sizeBytes,
    source: adaptation?.request.source ?? null,
    target: adaptation?.request.target ?? null,
    created_at: adaptation && new Date(adaptation.createdAt).toISOString(),
  };
}
