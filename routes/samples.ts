import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { parseSeeds } from "../models/generator/latents.ts";
import { inField } from "../service/failure.ts";
import type { SampleFormat, SampleQuery } from "../service/samples.ts";
import type { Service } from "../service/service.ts";
import { MAX_FRAMES, WALK_FORMATS } from "../service/walks.ts";
import { allow } from "./callers.ts";
import { Class, GeneratorId } from "./generators.ts";
import { problems } from "./problem.ts";
import { createRouter } from "./router.ts";

const MAX_IMAGES = 64;

const Seed = z.int().min(0).max(2 ** 32 - 1);
const Row = z.array(z.number()).min(1).max(1024);
const Truncation = z.number().min(-2).max(2);
const Strength = z.number().min(-4).max(4);
const Size = z.int().min(8).max(1024);
/** Between nothing and all of something. */
const Part = z.number().min(0).max(1);
const Metadata = z.boolean().default(true).openapi({
  description: "Whether PNG and safetensors files say how what is in them was made.",
});
const Layer = z.int().min(0).max(64);

const Blend = z.strictObject({ generator: GeneratorId, by: Part }).openapi({
  description: "Take this part of another generator of the same base.",
});

const SampleRequest = z.strictObject({
  seeds: z.union([z.string().max(1000), z.array(Seed).min(1).max(MAX_IMAGES)]).optional().openapi({
    description: "As numbers, or as in `0-15` or `1,5,9-12`.",
    example: [0, 1, 2, 3],
  }),
  z: z.array(Row).min(1).max(MAX_IMAGES).optional(),
  w: z.array(Row).min(1).max(MAX_IMAGES).optional(),
  w_plus: z.array(z.array(Row).min(1).max(64)).min(1).max(MAX_IMAGES).optional().openapi({
    description: "Rows for every layer.",
  }),
  truncation: Truncation.optional().openapi({
    description: "1 for none, 0 for the mean image. Default 0.7; 1 for w and w_plus.",
  }),
  strength: Strength.default(1).openapi({ description: "Of the adaptation: 0 none, 1 full." }),
  class: z.int().min(0).optional().openapi({
    description: "Where the images are of classes. Default: the one that was adapted.",
  }),
  noise: z.enum(["const", "none"]).default("const"),
  mix: z.strictObject({
    seeds: z.array(Seed).min(1).max(MAX_IMAGES),
    from_layer: Layer.optional(),
  }).optional().openapi({
    description: "Take the styles from this layer on, by default half of them, from other seeds.",
  }),
  towards: z.strictObject({
    seeds: z.array(Seed).min(1).max(MAX_IMAGES),
    by: z.array(Part).min(1).max(MAX_IMAGES),
  }).optional().openapi({
    description: "Go this part of the way from each of the seeds to another one.",
  }),
  blend: Blend.optional(),
  format: z.enum(["png", "jpeg", "webp", "safetensors"]).default("png"),
  size: Size.optional().openapi({ description: "Side of each image in pixels." }),
  metadata: Metadata,
}).superRefine((value, context) => {
  const given = ["seeds", "z", "w", "w_plus"].filter((name) => name in value);
  if (given.length === 1) return;
  const found = given.length === 0 ? "none" : given.join(" and ");
  context.addIssue({
    code: "custom",
    message: `Expected one of seeds, z, w and w_plus, found ${found}`,
  });
}).openapi("SampleRequest");

const binary = { schema: { type: "string", format: "binary" } as const };
const images = {
  description: "The image; several as one sheet, or as tensors in safetensors.",
  headers: { ETag: { schema: { type: "string" } } } as const,
  content: {
    "image/png": binary,
    "image/jpeg": binary,
    "image/webp": binary,
    "application/octet-stream": binary,
  },
};

const draw = createRoute({
  method: "post",
  path: "/v1/generators/{id}/samples",
  tags: ["samples"],
  summary: "Draw images",
  middleware: [allow("sample")],
  request: {
    params: z.object({ id: GeneratorId }),
    body: { required: true, content: { "application/json": { schema: SampleRequest } } },
  },
  responses: { 200: images, ...problems(400, 401, 403, 404, 413, 415, 422, 429, 503) },
});

const look = createRoute({
  method: "get",
  path: "/v1/generators/{id}/samples/{file}",
  tags: ["samples"],
  summary: "The image of a seed: the same for ever, so caches may keep it",
  middleware: [allow("sample")],
  request: {
    params: z.object({
      id: GeneratorId,
      file: z.string().regex(/^\d{1,10}\.(png|jpg|webp)$/).openapi({
        description: "The seed, with .png, .jpg or .webp behind it.",
        example: "7.png",
      }),
    }),
    query: z.object({
      truncation: z.coerce.number().pipe(Truncation).optional(),
      strength: z.coerce.number().pipe(Strength).default(1),
      class: Class.optional(),
      size: z.coerce.number().pipe(Size).optional(),
      mix: z.coerce.number().pipe(Seed).optional().openapi({
        description: "Take the styles from layer `mix_from` on from this seed.",
      }),
      mix_from: z.coerce.number().pipe(Layer).optional().openapi({
        description: "Default: half of the layers.",
      }),
      towards: z.coerce.number().pipe(Seed).optional().openapi({
        description: "Go the part `towards_by` of the way to this seed.",
      }),
      towards_by: z.coerce.number().pipe(Part).default(0.5),
      blend: GeneratorId.optional().openapi({
        description: "Take the part `blend_by` of another generator of the same base.",
      }),
      blend_by: z.coerce.number().pipe(Part).default(0.5),
      metadata: z.enum(["true", "false"]).default("true").openapi({
        description: "Whether the PNG says how it was made.",
      }),
    }),
  },
  responses: {
    200: images,
    304: { description: "It has not changed." },
    ...problems(401, 403, 404, 422, 429, 503),
  },
});

const WalkRequest = z.strictObject({
  seeds: z.array(Seed).min(2).max(32).openapi({
    description: "Where the walk passes.",
    example: [1, 5, 9],
  }),
  frames: z.int().min(1).max(MAX_FRAMES).default(24).openapi({
    description: "From one seed to the next.",
  }),
  loop: z.boolean().default(true).openapi({ description: "Go back to the first seed." }),
  format: z.enum(WALK_FORMATS).default("zip").openapi({
    description: "`zip`: a PNG for each frame; `gif`: an animation.",
  }),
  frame_ms: z.int().min(20).max(1000).default(40).openapi({
    description: "How long an animation shows a frame, in milliseconds.",
  }),
  truncation: Truncation.optional(),
  strength: Strength.default(1),
  class: Class.optional(),
  blend: Blend.optional(),
  size: Size.optional(),
  metadata: Metadata,
}).openapi("WalkRequest");

const walk = createRoute({
  method: "post",
  path: "/v1/generators/{id}/walks",
  tags: ["samples"],
  summary: "Walk from seed to seed, as frames or as an animation",
  middleware: [allow("sample")],
  request: {
    params: z.object({ id: GeneratorId }),
    body: { required: true, content: { "application/json": { schema: WalkRequest } } },
  },
  responses: {
    200: {
      description: "The file, sent while it is drawn.",
      content: { "application/zip": binary, "image/gif": binary },
    },
    ...problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
  },
});

export function sampleRoutes({ samples, walks }: Service) {
  async function answer(c: Context, query: SampleQuery, cacheable: boolean): Promise<Response> {
    const etag = `"${samples.tag(query)}"`;
    const headers = {
      etag,
      "cache-control": cacheable ? "private, max-age=31536000, immutable" : "no-store",
    };
    if (cacheable && isKnown(etag, c.req.header("if-none-match"))) {
      return c.body(null, 304, headers);
    }
    const { bytes, type } = await samples.draw(query);
    return c.body(bytes, 200, { ...headers, "content-type": type });
  }

  return createRouter()
    .openapi(draw, async (c) => {
      const { seeds, w_plus: wPlus, ...rest } = c.req.valid("json");
      const numbers = typeof seeds === "string" ? readSeeds(seeds) : seeds;
      const query = {
        ...rest,
        generator: c.req.valid("param").id,
        ...numbers && { seeds: numbers },
        ...wPlus && { wPlus },
      };
      return await answer(c, withoutUndefined(query), false) as never;
    })
    .openapi(look, async (c) => {
      const { id, file } = c.req.valid("param");
      const [seed, ending] = file.split(".") as [string, string];
      const format = (ending === "jpg" ? "jpeg" : ending) as SampleFormat;
      const { mix, mix_from, towards, towards_by, blend, blend_by, metadata, ...rest } = c.req
        .valid("query");
      const query = {
        generator: id,
        seeds: [Seed.parse(Number(seed))],
        noise: "const" as const,
        format,
        metadata: metadata === "true",
        ...rest,
        ...mix !== undefined &&
          { mix: { seeds: [mix], ...mix_from !== undefined && { from_layer: mix_from } } },
        ...towards !== undefined && { towards: { seeds: [towards], by: [towards_by] } },
        ...blend !== undefined && { blend: { generator: blend, by: blend_by } },
      };
      return await answer(c, withoutUndefined(query), true) as never;
    })
    .openapi(walk, async (c) => {
      const { seeds, frames, loop, format, frame_ms: frameMs, ...rest } = c.req.valid("json");
      const look = withoutUndefined({ ...rest, generator: c.req.valid("param").id });
      const file = await walks.write({ look, seeds, frames, loop, format, frameMs });
      const type = { zip: "application/zip", gif: "image/gif" }[format];
      return c.body(file, 200, { "cache-control": "no-store", "content-type": type }) as never;
    });
}

/** Whether If-None-Match names the tag, weak or strong, among others or by "*". */
function isKnown(etag: string, given = ""): boolean {
  const tags = given.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes(etag) || tags.includes("*");
}

const Seeds = z.object({ seeds: z.array(Seed).min(1).max(MAX_IMAGES) });

/** Throws a ServiceError or ZodError for anything but a list of seeds. */
function readSeeds(text: string): number[] {
  return Seeds.parse({ seeds: inField("seeds", () => parseSeeds(text)) }).seeds;
}

/** Optional fields are left out, not undefined. */
function withoutUndefined<T extends object>(
  query: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]: Exclude<T[K], undefined> };
}
