/**
 * A client that knows no more than types made from /openapi.json: `API` is the name of their file
 * once this one is copied beside it. Drives an adaptation from its start to its end.
 */
import createClient from "openapi-fetch";
// @ts-ignore: it is made by the test
import type { paths } from "./api.d.ts";

const client = createClient<paths>({ baseUrl: Deno.args[0]! });

function need<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const { id } = need(
  await client.POST("/v1/adaptations", {
    params: { query: { wait: "false" } },
    body: {
      source: "a",
      target: "b",
      generator: "small",
      clip: "tiny",
      steps: 3,
      priority: 1,
    },
  }),
);
const params = { path: { id } };
const own = { params: { path: { id: crypto.randomUUID() } } };
const short = { source: "a", target: "b", generator: "small", clip: "tiny", steps: 1, priority: 0 };
const [put, again] = [
  need(await client.PUT("/v1/adaptations/{id}", { ...own, body: short })),
  need(await client.PUT("/v1/adaptations/{id}", { ...own, body: short })),
];
const { error: other } = await client.PUT("/v1/adaptations/{id}", {
  ...own,
  body: { ...short, steps: 2 },
});
let state: string;
do {
  await new Promise((resolve) => setTimeout(resolve, 100));
  state = need(await client.GET("/v1/adaptations/{id}", { params })).state;
} while (["queued", "starting", "processing"].includes(state));
if (state !== "succeeded") throw new Error(state);

const { generators } = need(await client.GET("/v1/generators"));
if (!generators.some((generator: { id: string }) => generator.id === id)) {
  throw new Error("no generator");
}
const image = need(
  await client.POST("/v1/generators/{id}/samples", {
    params,
    body: { seeds: [1, 2], strength: 1, noise: "const", format: "png", metadata: true },
    parseAs: "blob",
  }),
);
const single = need(
  await client.GET("/v1/generators/{id}/samples/{file}", {
    params: { path: { id, file: "7.png" }, query: { truncation: 0.5, strength: 1 } },
    parseAs: "blob",
  }),
);
const { dimensions } = need(
  await client.POST("/v1/clip/embeddings", { body: { clip: "tiny", texts: ["a"], images: [] } }),
);
const { error } = await client.POST("/v1/generators/{id}/samples", {
  params,
  body: { seeds: [-1], strength: 1, noise: "const", format: "png", metadata: true },
});
await client.DELETE("/v1/adaptations/{id}", { params });
const { response } = await client.GET("/v1/adaptations/{id}", { params });
console.log(
  JSON.stringify({
    sheet: (image as unknown as Blob).size > 0,
    single: (single as unknown as Blob).type,
    dimensions,
    refused: error?.code,
    repeated: put.id === own.params.path.id && again.id === put.id,
    reused: other?.code,
    afterwards: response.status,
  }),
);
