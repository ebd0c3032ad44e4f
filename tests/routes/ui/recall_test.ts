import assert from "node:assert/strict";
import { encodePng } from "../../../lib/image/mod.ts";
import { placeOf, readAbout } from "../../../routes/ui/client/recall.ts";
import type { Generator } from "../../../routes/ui/client/types.ts";
import { startService } from "../../service/made_up_service.ts";

Deno.test("A picture that was drawn leads back to where it is drawn", async () => {
  await using service = await startService();
  const made: string[] = [];
  for (const target of ["b", "c"]) {
    made.push((await service.adapt({ steps: 1, target, preview_every: 0 })).id);
  }
  const [id, second] = made;
  const { generators } = await (await service.request("/v1/generators")).json();
  const place = async (path: string) => {
    const response = await service.request(`/v1/generators/${path}`);
    const about = readAbout((await response.bytes()).buffer);
    return about && placeOf(about, generators as Generator[]);
  };
  const cases: [asked: string, place: string | null][] = [
    ["small/samples/7.png?truncation=0.5", "small?seed=7&truncation=0.5"],
    [`${id}/samples/3.png?strength=0.8`, `${id}?seed=3&truncation=0.7&strength=0.8`],
    [
      `${id}/samples/3.png?mix=4&mix_from=2`,
      `${id}?seed=3&truncation=0.7&strength=1&mix=4&mix_from=2`,
    ],
    [
      `${id}/samples/3.png?blend=${second}&blend_by=0.25`,
      `${id}?seed=3&truncation=0.7&strength=1&blend=${second}&blend_by=0.25`,
    ],
    ["small/samples/7.png?metadata=false", null],
    ["small/samples/7.webp", null],
  ];
  for (const [asked, wanted] of cases) {
    assert.equal(await place(asked), wanted && `#/explore/${wanted}`, asked);
  }
});

Deno.test("readAbout() and placeOf() take nothing that they do not understand", () => {
  const picture = { width: 1, height: 1, channels: 3 as const, data: new Uint8Array(3) };
  const about = (text: string) => readAbout(encodePng(picture, { nada: text }).buffer);
  assert.deepEqual(about('{"seed": 1, "source": "Öl → 油"}'), { seed: 1, source: "Öl → 油" });
  assert.equal(about("no JSON"), null);
  assert.equal(readAbout(new Uint8Array(5).buffer), null);
  const whole = encodePng(picture, { nada: '{"seed": 1}' });
  for (let length = 0; length < whole.length; length++) readAbout(whole.slice(0, length).buffer);
  assert.equal(placeOf({ seed: 1, generatorSha256: "another" }, []), null);
  assert.equal(placeOf({ generatorSha256: "no seed" }, []), null);
});
