import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AdaptationId } from "../service/adaptation_request.ts";
import type { Service } from "../service/service.ts";
import { allow } from "./callers.ts";
import { problems } from "./problem.ts";
import { createRouter } from "./router.ts";
import { sendFile } from "./send_file.ts";

const TYPES: Record<string, string> = {
  png: "image/png",
  jsonl: "application/x-ndjson",
  safetensors: "application/octet-stream",
};

const download = <P extends string>(path: P, summary: string, example: string) =>
  createRoute({
    method: "get",
    path,
    tags: ["adaptations"],
    summary,
    middleware: [allow("read")],
    request: {
      params: z.object({ id: AdaptationId, name: z.string().max(100).openapi({ example }) }),
    },
    responses: {
      200: {
        description: "The file.",
        content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
      },
      ...problems(401, 403, 404, 422),
    },
  });

const file = download(
  "/v1/adaptations/{id}/files/{name}",
  "A file of an adaptation: its log, its chart, its delta",
  "loss.png",
);
const preview = download(
  "/v1/adaptations/{id}/files/samples/{name}",
  "A preview: the same latents before and after some steps",
  "step_0050.png",
);

export function adaptationFileRoutes({ adaptations }: Service) {
  async function send(c: Context, id: string, name: string): Promise<never> {
    const path = await adaptations.file(id, name);
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)]!;
    // The routes' types know of no streams.
    return await sendFile(c, path, { type }) as never;
  }

  return createRouter()
    .openapi(file, (c) => {
      const { id, name } = c.req.valid("param");
      return send(c, id, name);
    })
    .openapi(preview, (c) => {
      const { id, name } = c.req.valid("param");
      return send(c, id, `samples/${name}`);
    });
}
