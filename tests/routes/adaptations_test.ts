import assert from "node:assert/strict";
import { dirname } from "node:path";
import { decodePng, encodePng } from "../../lib/image/mod.ts";
import { ASKED, startService } from "../service/made_up_service.ts";
import { type ReadEvent, readEvents } from "../service/read_events.ts";

Deno.test("An adaptation from its start to what it leaves", async (t) => {
  await using service = await startService();
  const { request, post } = service;
  const eventsOf = async (id: string, headers = {}) =>
    await Array.fromAsync(readEvents(await request(`/v1/adaptations/${id}/events`, { headers })));
  let id = "";
  let second = "";
  let events: ReadEvent[] = [];

  await t.step("POST answers 202 with where it is, and its key is good for once", async () => {
    const key = { "idempotency-key": "one" };
    const response = await post("/v1/adaptations", ASKED, key);
    assert.equal(response.status, 202);
    const made = await response.json();
    id = made.id;
    assert.equal(response.headers.get("location"), `/v1/adaptations/${id}`);
    assert.equal((await (await post("/v1/adaptations", ASKED, key)).json()).id, id);
    const other = await post("/v1/adaptations", { ...ASKED, steps: 5 }, key);
    assert.equal(other.status, 409);
    assert.equal((await other.json()).code, "conflict");
  });

  await t.step("Its events are the states, every step and every preview, in order", async () => {
    events = await eventsOf(id);
    const ids = events.flatMap((event) => event.id ?? []);
    assert.deepEqual(ids, ["0p", "1", "2", "2p", "3", "4", "4p"]);
    assert.equal(events.at(-1)!.data.state, "succeeded");
    for (const { event, data } of events) {
      if (event === "step") {
        assert.ok(data.loss > 0 && data.ms > 0 && data.layers.length > 0, JSON.stringify(data));
        assert.ok(data.steps_per_second > 0 && data.eta_seconds >= 0, JSON.stringify(data));
      } else if (event === "preview") {
        const { status, headers } = await request(data.url);
        assert.deepEqual([status, headers.get("content-type")], [200, "image/png"]);
      }
    }
  });

  await t.step("Last-Event-ID goes on behind what was seen", async () => {
    const after = async (last: string) =>
      (await eventsOf(id, { "last-event-id": last })).flatMap((event) => event.id ?? []);
    assert.deepEqual(await after("2"), ["2p", "3", "4", "4p"]);
    assert.deepEqual(await after("2p"), ["3", "4", "4p"]);
    assert.deepEqual(await after("4p"), []);
  });

  await t.step("GET shows it done, with figures and files", async () => {
    const shown = await (await request(`/v1/adaptations/${id}`)).json();
    assert.equal(shown.state, "succeeded");
    assert.deepEqual(shown.progress.step, 4);
    assert.equal(shown.figures.length, 1);
    assert.deepEqual(shown.files, [
      "adapted.safetensors",
      "log.jsonl",
      "loss.png",
      "samples/step_0000.png",
      "samples/step_0002.png",
      "samples/step_0004.png",
    ]);
    for (const name of shown.files) {
      const response = await request(`/v1/adaptations/${id}/files/${name}`);
      assert.equal(response.status, 200, name);
      assert.ok((await response.bytes()).length > 0);
    }
  });

  await t.step("Files that are not listed are not given", async () => {
    for (
      const name of ["config.json", "resume.safetensors", "../run/loss.png", "..%2f..%2fjobs.db"]
    ) {
      const response = await request(`/v1/adaptations/${id}/files/${name}`);
      assert.equal(response.status, 404, name);
      await response.body?.cancel();
    }
  });

  await t.step("Nothing that is given names a folder of this machine", async () => {
    const { files } = await (await request(`/v1/adaptations/${id}`)).json();
    for (
      const path of [
        ...[
          `adaptations/${id}`,
          `adaptations/${id}/events`,
          `generators/${id}`,
          "generators",
          "clip",
        ],
        ...["delta", "safetensors", "rosinality"].map((format) =>
          `generators/${id}/download?format=${format}`
        ),
        ...[`generators/${id}/samples/1.png`, "generators/small/samples/1.webp"],
        ...files.map((name: string) => `adaptations/${id}/files/${name}`),
      ]
    ) {
      const bytes = await (await request(`/v1/${path}`)).bytes();
      const text = new TextDecoder("latin1").decode(bytes);
      assert.ok(!text.includes(dirname(service.config.data)), path);
    }
  });

  await t.step("What was made is a generator, and draws other images than its base", async () => {
    const { generators } = await (await request("/v1/generators")).json();
    assert.deepEqual(generators.map((each: { id: string }) => each.id), ["demo", "small", id]);
    const image = async (path: string) => await (await request(`/v1/generators/${path}`)).bytes();
    const [base, none, full] = await Promise.all([
      image("small/samples/3.png"),
      image(`${id}/samples/3.png?strength=0`),
      image(`${id}/samples/3.png`),
    ]);
    assert.deepEqual(base.subarray(0, 8), none.subarray(0, 8));
    assert.notDeepEqual(none, full);
  });

  await t.step("PATCH gives it a name, and takes it away", async () => {
    const patch = (body: object) =>
      request(`/v1/adaptations/${id}`, {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const named = await (await patch({ name: "Statues" })).json();
    assert.deepEqual([named.request.name, named.state], ["Statues", "succeeded"]);
    const { generators } = await (await request("/v1/generators")).json();
    assert.equal(generators.at(-1).name, "Statues");
    assert.equal((await (await patch({ name: null })).json()).request.name, undefined);
    for (const bad of [{}, { name: "" }, { name: "a".repeat(101) }, { steps: 3 }]) {
      assert.equal((await patch(bad)).status, 422, JSON.stringify(bad));
    }
  });

  await t.step("It can be had as a delta, and as a whole generator", async () => {
    const download = async (path: string) => (await request(`/v1/generators/${path}`)).bytes();
    const whole = await download(`${id}/download?format=safetensors`);
    assert.ok(whole.length > (await download(`${id}/download`)).length);
    const archive = await download(`${id}/download?format=rosinality`);
    assert.equal(String.fromCharCode(...archive.subarray(0, 2)), "PK");
    assert.ok((await download("small/download")).length > 0);
    assert.equal((await request("/v1/generators/small/download?format=delta")).status, 404);
    assert.deepEqual([...Deno.readDirSync(`${service.config.data}/exports`)], []);
  });

  await t.step("A second adaptation can start from the first", async () => {
    const asked = { ...ASKED, target: "c", start_from: id };
    const response = await post("/v1/adaptations?wait=true", asked);
    assert.equal(response.status, 200);
    const made = await response.json();
    assert.equal(made.state, "succeeded");
    second = made.id;
  });

  await t.step("Two generators of one base are blended, others are refused", async () => {
    const pixels = async (path: string) =>
      decodePng(await (await request(`/v1/generators/${path}`)).bytes()).data;
    const blended = (by: number) => pixels(`${id}/samples/1.png?blend=${second}&blend_by=${by}`);
    assert.deepEqual(await blended(0), await pixels(`${id}/samples/1.png`));
    assert.deepEqual(await blended(1), await pixels(`${second}/samples/1.png`));
    assert.deepEqual(
      await pixels(`${id}/samples/1.png?blend=small&blend_by=0.5`),
      await pixels(`${id}/samples/1.png?strength=0.5`),
    );
    const refused = await request(`/v1/generators/${id}/samples/1.png?blend=demo`);
    assert.equal(refused.status, 422);
    assert.match(
      (await refused.json()).detail,
      /Cannot blend .*different bases, "small" and "demo"/,
    );
  });

  await t.step("Pictures can be the target", async () => {
    const data = Uint8Array.from({ length: 3 * 64 }, (_, i) => 4 * i);
    const png = encodePng({ width: 8, height: 8, channels: 3, data });
    const form = new FormData();
    const { target: _, ...asked } = ASKED;
    form.append("request", JSON.stringify(asked));
    form.append("images", new File([png], "a.png"));
    form.append("images", new File([png], "b.png"));
    const send = (body: FormData) => request("/v1/adaptations?wait=true", { method: "POST", body });
    const response = await send(form);
    const made = await response.json();
    assert.equal(made.state, "succeeded", JSON.stringify(made));
    assert.equal(made.style_images, 2);

    const again = await post("/v1/adaptations?wait=true", { ...asked, style_from: made.id });
    const copy = await again.json();
    assert.deepEqual([copy.state, copy.style_images], ["succeeded", 2], JSON.stringify(copy));
    assert.equal(copy.request.style_from, undefined);
    const none = await post("/v1/adaptations", { ...asked, style_from: id });
    assert.equal(none.status, 422);
    assert.match((await none.json()).detail, /Cannot take the pictures .*: it has none/);

    const bad = new FormData();
    bad.append("request", JSON.stringify(asked));
    bad.append("images", new File([png.slice(0, 40)], "cut.png"));
    const refused = await send(bad);
    assert.equal(refused.status, 422);
    assert.match((await refused.json()).detail, /Cannot read "cut\.png"/);
  });

  await t.step("The list comes in pages, newest first", async () => {
    const page = async (query: string) =>
      await (await request(`/v1/adaptations?limit=2&state=succeeded${query}`)).json();
    const newest = await page("");
    assert.equal(newest.adaptations.length, 2);
    const oldest = await page(`&cursor=${newest.next_cursor}`);
    assert.deepEqual(oldest.adaptations.map((each: { id: string }) => each.id), [second, id]);
    assert.equal(oldest.next_cursor, null);
  });

  await t.step("DELETE takes the adaptation, its generator and its files away", async () => {
    assert.equal((await request(`/v1/generators/${id}`, { method: "DELETE" })).status, 204);
    assert.equal((await request(`/v1/adaptations/${id}`)).status, 404);
    assert.equal((await request(`/v1/generators/${id}`)).status, 404);
    assert.equal((await request("/v1/generators/small", { method: "DELETE" })).status, 409);
  });
});

Deno.test("A running adaptation is ended within a step, a waiting one is canceled at once", async (t) => {
  await using service = await startService();
  const { request, post } = service;
  const end = (id: string, how: "cancel" | "finish") =>
    request(`/v1/adaptations/${id}/${how}`, { method: "POST" });
  /** Starts one that would take long, and ends it after its first steps. */
  const endRunning = async (how: "cancel" | "finish", meanwhile: (id: string) => Promise<void>) => {
    const { id } = await (await post("/v1/adaptations", { ...ASKED, steps: 5000 })).json();
    for await (const { event } of readEvents(await request(`/v1/adaptations/${id}/events`))) {
      if (event === "step") break;
    }
    await meanwhile(id);
    assert.equal((await end(id, how)).status, 202);
    await service.service.adaptations.ended(id, AbortSignal.timeout(10_000));
    return await (await request(`/v1/adaptations/${id}`)).json();
  };

  await t.step("Canceled, it makes no generator", async () => {
    const ended = await endRunning("cancel", async (id) => {
      const waiting = await (await post("/v1/adaptations", ASKED)).json();
      assert.equal(waiting.queue_position, 0);
      assert.equal((await end(waiting.id, "finish")).status, 409);
      assert.equal((await (await end(waiting.id, "cancel")).json()).state, "canceled");
      assert.equal((await end(waiting.id, "cancel")).status, 409);
      const removed = await request(`/v1/adaptations/${id}`, { method: "DELETE" });
      assert.equal(removed.status, 409);
    });
    assert.deepEqual([ended.state, ended.generator], ["canceled", null]);
    assert.ok(ended.files.includes("adapted.safetensors"), "what it reached is kept");
  });

  await t.step("Finished, what it reached is its generator", async () => {
    const { id, state, generator, progress } = await endRunning("finish", async () => {});
    assert.deepEqual([state, generator], ["succeeded", id]);
    assert.ok(progress.step >= 1 && progress.step < 5000);
    assert.equal((await request(`/v1/generators/${id}/samples/1.png`)).status, 200);
    assert.equal((await end(id, "finish")).status, 409);
  });
});

Deno.test("A full queue answers 503 and says when to come again", async () => {
  await using service = await startService({ maxQueued: 1 });
  const { post } = service;
  const asked = { ...ASKED, steps: 5000 };
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await post("/v1/adaptations", asked));
  assert.deepEqual(answers.map(({ status }) => status), [202, 202, 503]);
  assert.equal(answers[2]!.headers.get("retry-after"), "5");
  assert.equal((await answers[2]!.json()).code, "busy");
});

Deno.test("What is wrong with a request is said of its field", async () => {
  await using service = await startService();
  const wrong: [field: string, more: object][] = [
    ["steps", { steps: 0 }],
    ["clip.1.weight", { clip: [{ name: "tiny" }, { name: "tiny", weight: -1 }] }],
    ["generator", { generator: "nobody" }],
    ["clip.1.name", { clip: [{ name: "tiny" }, { name: "nobody" }] }],
    ["target", { target: "a word that the model has no letters for" }],
    ["train_layers", { train_layers: ["convs.99"] }],
    ["target", { target: undefined }],
    ["nonsense", { nonsense: 1 }],
    ["start_from", { start_from: crypto.randomUUID() }],
    ["webhook.url", { webhook: { url: "https://example.com/" } }],
  ];
  for (const [field, more] of wrong) {
    const response = await service.post("/v1/adaptations", { ...ASKED, ...more });
    assert.equal(response.status, 422, field);
    assert.match(response.headers.get("content-type")!, /^application\/problem\+json/);
    const { code, errors } = await response.json();
    assert.deepEqual([code, errors?.[0]?.path], ["invalid_request", field]);
  }
});
