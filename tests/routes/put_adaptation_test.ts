import assert from "node:assert/strict";
import { encodePng } from "../../lib/image/mod.ts";
import { ASKED, type MadeUpService, startService } from "../service/made_up_service.ts";

const NEVER = new AbortController().signal;

async function put({ request }: MadeUpService, id: string, body: object | FormData) {
  const response = await request(`/v1/adaptations/${id}`, {
    method: "PUT",
    ...body instanceof FormData
      ? { body }
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** As if many clients, or one that is impatient, sent the same at once. */
const atOnce = <T>(action: () => Promise<T>) => Promise.all(Array.from({ length: 20 }, action));

async function listed({ request }: MadeUpService): Promise<string[]> {
  const { adaptations } = await (await request("/v1/adaptations?limit=100")).json();
  return adaptations.map((each: { id: string }) => each.id);
}

Deno.test("PUT starts one adaptation under the client's id, however often it is sent", async () => {
  await using service = await startService();
  const id = crypto.randomUUID();
  const answers = await atOnce(() => put(service, id, ASKED));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(19).fill(200), 202]);
  assert.ok(answers.every(({ body }) => body.id === id));
  assert.equal(answers[0]!.headers.get("location"), `/v1/adaptations/${id}`);
  assert.deepEqual(await listed(service), [id]);

  assert.equal((await put(service, id.toUpperCase(), ASKED)).body.id, id);
  await service.service.adaptations.ended(id, NEVER);
  await service.restart();
  const later = await put(service, id, ASKED);
  assert.deepEqual([later.status, later.body.state], [200, "succeeded"]);
  assert.deepEqual(await listed(service), [id]);
});

Deno.test("PUT refuses another request under the same id, and ids that are none", async () => {
  await using service = await startService();
  const id = crypto.randomUUID();
  assert.equal((await put(service, id, ASKED)).status, 202);
  const { status, body } = await put(service, id, { ...ASKED, steps: 5 });
  assert.deepEqual([status, body.code], [409, "conflict"]);
  assert.match(body.detail, /^Cannot take the id ".*": it was used for another request/);
  assert.equal((await (await service.request(`/v1/adaptations/${id}`)).json()).request.steps, 4);
  for (const bad of ["mine", "..%2f..%2fetc", `${id}0`]) {
    const refused = await put(service, bad, ASKED);
    assert.equal(refused.status, 422, bad);
    assert.equal(refused.body.errors[0].path, "id");
  }
});

Deno.test("PUT of an id that POST gave is the same adaptation, and of a deleted one a new one", async () => {
  await using service = await startService();
  const { id } = await service.adapt();
  assert.equal((await put(service, id, ASKED)).status, 200);
  assert.equal((await put(service, id, { ...ASKED, seed: 9 })).status, 409);
  const [removed, again] = await Promise.all([
    service.request(`/v1/adaptations/${id}`, { method: "DELETE" }),
    put(service, id, { ...ASKED, seed: 9 }),
  ]);
  assert.deepEqual([removed.status, again.status], [204, 202]);
  await service.service.adaptations.ended(id, NEVER);
  const shown = await (await service.request(`/v1/adaptations/${id}`)).json();
  assert.deepEqual([shown.state, shown.request.seed], ["succeeded", 9]);
});

Deno.test("PUT takes pictures, which are part of the request", async () => {
  await using service = await startService();
  const { target: _, ...asked } = ASKED;
  const form = (shade: number) => {
    const data = new Uint8Array(3 * 64).fill(shade);
    const made = new FormData();
    made.append("request", JSON.stringify(asked));
    made.append("images", new File([encodePng({ width: 8, height: 8, channels: 3, data })], "a"));
    return made;
  };
  const id = crypto.randomUUID();
  const answers = await atOnce(() => put(service, id, form(90)));
  assert.equal(answers.filter(({ status }) => status === 202).length, 1);
  assert.equal((await put(service, id, form(91))).status, 409);
  await service.service.adaptations.ended(id, NEVER);
  const { state, style_images } = await (await service.request(`/v1/adaptations/${id}`)).json();
  assert.deepEqual([state, style_images], ["succeeded", 1]);
});
