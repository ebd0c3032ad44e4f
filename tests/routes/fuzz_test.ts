import assert from "node:assert/strict";
import { seededRandom } from "../gpu.ts";
import { startService } from "../service/made_up_service.ts";

// deno-lint-ignore no-explicit-any
type Schema = any;

const REQUESTS = 800;

/** Values that few think of. */
const ODD: unknown[] = [
  null,
  true,
  "",
  " ",
  "\u0000",
  "\ud800",
  "../../etc/passwd",
  "a".repeat(5000),
  -1,
  0,
  0.5,
  1e308,
  2 ** 53,
  [],
  {},
  [[]],
  { toString: 1 },
];

/** Values by a JSON schema, and now and then something that is none. */
function makeValue(
  schema: Schema,
  document: Schema,
  random: () => number,
  oddness: number,
): unknown {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  if (random() < oddness) return pick(ODD);
  const make = (inner: Schema) => makeValue(inner, document, random, oddness);
  if (schema.$ref) return make(document.components.schemas[schema.$ref.split("/").at(-1)]);
  if (schema.anyOf ?? schema.oneOf) return make(pick(schema.anyOf ?? schema.oneOf));
  if (schema.enum) return pick(schema.enum);
  const { minimum = -10, maximum = minimum + 100 } = schema;
  switch ([schema.type].flat()[0]) {
    case "integer":
      return Math.floor(minimum + random() * Math.min(20, maximum - minimum + 1));
    case "number":
      return minimum + random() * (maximum - minimum);
    case "boolean":
      return random() < 0.5;
    case "array":
      return Array.from({ length: Math.floor(random() * 4) }, () => make(schema.items));
    case "object":
      return Object.fromEntries(
        Object.entries<Schema>(schema.properties ?? {}).filter(([name]) =>
          schema.required?.includes(name) || random() < 0.4
        ).map(([name, inner]) => [name, make(inner)]),
      );
    default:
      return pick(["a", "b", "tiny", "small", "demo", "7.png", "0-3", crypto.randomUUID()]);
  }
}

Deno.test("No request that can be made from the description gets an answer that is not in it", async () => {
  await using service = await startService({ maxQueued: 3 });
  const document = await (await service.request("/openapi.json")).json();
  const operations = Object.entries<Schema>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Schema>(methods).map(([method, operation]) => ({ path, method, operation }))
  ).filter(({ path }) => !path.endsWith("/events"));
  const random = seededRandom(7);
  const seen = new Map<number, number>();
  for (let k = 0; k < REQUESTS; k++) {
    const { path, method, operation } = operations[k % operations.length]!;
    const oddness = [0, 0.02, 0.2][k % 3]!;
    const value = (schema: Schema) => makeValue(schema, document, random, oddness);
    const query = new URLSearchParams();
    const headers = new Headers();
    let url = path;
    for (const { name, in: place, schema, required } of operation.parameters ?? []) {
      if (!required && random() < 0.5) continue;
      const made = value(schema);
      const text = (typeof made === "object" ? JSON.stringify(made) : String(made)).toWellFormed();
      if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(text) || "x");
      else if (place === "query") query.set(name, text);
      else if (/^[\x20-\x7e]{1,100}$/.test(text)) headers.set(name, text);
    }
    const schema = operation.requestBody?.content["application/json"]?.schema;
    const init: RequestInit = { method: method.toUpperCase(), headers };
    if (schema) {
      headers.set("content-type", "application/json");
      // Long adaptations would make the test long.
      const body = value(schema);
      const isNew = ["post /v1/adaptations", "put /v1/adaptations/{id}"].includes(
        `${method} ${path}`,
      );
      if (isNew && typeof body === "object" && body) {
        Object.assign(body, { steps: 1, generator: "small" });
      }
      init.body = JSON.stringify(body);
      headers.set("content-length", String(new TextEncoder().encode(init.body as string).length));
    }
    query.delete("wait");
    const response = await service.request(`${url}?${query}`, init);
    const text = await response.text();
    const told = `${method} ${url}?${query} ${init.body ?? ""}: ${response.status} ${text}`;
    const isOtherPath = response.status === 404;
    assert.ok(String(response.status) in operation.responses || isOtherPath, told.slice(0, 1500));
    assert.ok(response.status < 500 || response.status === 503, told.slice(0, 1500));
    if (response.status >= 400) {
      const problem = JSON.parse(text);
      assert.equal(problem.status, response.status);
      assert.match(problem.code, /^[a-z_]+$/);
    }
    seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
  }
  // It would prove nothing if all were refused.
  assert.ok((seen.get(200) ?? 0) > 100 && (seen.get(422) ?? 0) > 100, JSON.stringify([...seen]));
});
