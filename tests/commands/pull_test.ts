import assert from "node:assert/strict";
import { sha256File } from "../../lib/checkpoint/mod.ts";
import { main } from "../../main.ts";
import { planPull, pullModel } from "../../models/pull.ts";
import { REGISTRY } from "../../models/registry.ts";
import { captured } from "../console.ts";
import { type Answer, type Asked, faultyServer, proper } from "../lib/download/faulty_server.ts";
import { tinyTensors, writeTiny } from "../models/clip/tiny.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed } from "./run.ts";

/** Environment variables for the time of a test. */
function environment(values: Record<string, string>): Disposable {
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        if (value === undefined) Deno.env.delete(name);
        else Deno.env.set(name, value);
      }
    },
  };
}

/** A command line that succeeds, with what it printed on either stream. */
async function both(...args: string[]) {
  const { result, out, err } = await captured(() => main(args));
  assert.equal(result, 0, err);
  return { out, err };
}

Deno.test("nada pull brings a file by its address, and its name then stands for it", async () => {
  using folder = temporaryFolder();
  using _ = environment({ NADA_MODELS: folder.file("models") });
  const original = await writeGenerator(folder.file("original.safetensors"));
  const sha256 = await sha256File(original);
  const bytes = Deno.readFileSync(original);
  await using server = faultyServer((asked, before) =>
    before === 0 ? { status: 500 } : proper(bytes, '"g"', asked)
  );
  const url = `${server.origin}/files/my%20model.safetensors?download=true`;
  const args = ["pull", url, "--sha256", sha256.toUpperCase(), "--name", "mine"];
  const { out, err } = await both(...args);
  assert.match(err, /^Licence {2}not stated; ask whoever publishes http.*\nSize {5}not stated$/m);
  assert.match(err, /the server answers 500; trying again/);
  assert.match(out, /^Pulled .*mine\/my model\.safetensors .*\nUse .*--generator "mine"$/);
  const record = JSON.parse(Deno.readTextFileSync(folder.file("models/mine/nada.json")));
  assert.deepEqual({ ...record, pulled: "" }, {
    name: "mine",
    kind: "generator",
    source: url,
    licence: null,
    licenceUrl: null,
    files: [{ name: "my model.safetensors", sha256, sizeBytes: bytes.length }],
    pulled: "",
  });

  const image = folder.file("image.png");
  await succeed("sample", "--generator", "mine", "--seeds", "1", "--out", image, "--quiet");
  assert.match(await succeed("inspect", "mine"), /StyleGAN2 generator/);
  const stored = folder.file("models/mine/my model.safetensors");
  assert.equal(Deno.readTextFileSync(`${stored}.sha256`), `${sha256}  my model.safetensors\n`);
  const damaged = bytes.slice();
  damaged[damaged.length - 1]! ^= 1;
  await Deno.writeFile(stored, damaged);
  assert.match(
    await fail("sample", "--generator", "mine", "--out", folder.file("b.png")),
    new RegExp(`"\\S+ model\\.safetensors\\.sha256" has ${sha256}: it is damaged`),
  );
  await Deno.writeFile(stored, bytes);
  assert.match((await both(...args)).out, /^Here /);
  assert.equal(server.asked.length, 2);
  assert.match(
    await fail("pull", `${server.origin}/b.pt`, "--sha256", sha256, "--name", "mine"),
    /that name is taken .*nada models rm/,
  );

  assert.match(await succeed("models"), new RegExp(`^Here, in .*models:\\n {2}mine `));
  await succeed("models", "rm", "mine");
  assert.match(await succeed("models"), /^Here, in .*models:\n {2}none\n/);
  assert.match(await fail("models", "rm", "mine"), /Cannot remove "mine": .* which has no models/);
});

Deno.test("nada pull keeps no file that is another than it should be", async () => {
  using folder = temporaryFolder();
  using _ = environment({ NADA_MODELS: folder.file("models") });
  await using server = faultyServer(() => ({ status: 200, body: "something else" }));
  const args = ["pull", `${server.origin}/m.pt`, "--sha256", "0".repeat(64)];
  assert.match(
    await fail(...args, "--quiet"),
    /has the sha256 \w+, 0+ was expected; it is removed/,
  );
  assert.deepEqual([...Deno.readDirSync(folder.file("models"))], []);
  assert.match(await succeed("models"), /^Here, in .*:\n {2}none\n/);
});

Deno.test("nada pull refuses what it cannot know, before it asks anybody", async () => {
  await using server = faultyServer(() => ({ status: 500 }));
  const url = `${server.origin}/m.pt`;
  const refused = async (message: RegExp, ...args: string[]) =>
    assert.match(await fail("pull", ...args), message);
  await refused(/without --sha256: nothing else says/, url);
  await refused(/"abc" for a sha256: it has 64 digits/, url, "--sha256", "abc");
  await refused(/is not the address of a file/, server.origin, "--sha256", "0".repeat(64));
  await refused(/is not the address of a file/, `${url}/..%2F..`, "--sha256", "0".repeat(64));
  await refused(/knows no model of that name; nada models lists/, "nothing");
  await refused(/write it as hf:owner\/repo/, "hf:owner");
  await refused(/--sha256 with "ffhq": it is for addresses/, "ffhq", "--sha256", "0".repeat(64));
  assert.equal(server.asked.length, 0);
});

Deno.test("A name that can be pulled and is not here says how", async () => {
  using folder = temporaryFolder();
  using _ = environment({ NADA_MODELS: folder.file("models") });
  const out = ["--out", folder.file("o.png")];
  assert.match(
    await fail("sample", "--generator", "FFHQ", ...out),
    /not here yet; run nada pull "ffhq"/,
  );
  assert.match(
    await fail("clip", "--clip", "ViT-B/32", "--texts", "a", "--out", folder.file("f.safetensors")),
    /run nada pull "ViT-B\/32"/,
  );
  assert.match(await fail("inspect", "hf:a/b"), /run nada pull "hf:a\/b"/);
  const models = await succeed("models", "--models-dir", folder.file("elsewhere"));
  assert.match(models, /^Here, in .*elsewhere:\n/);
  for (const { name, licence } of REGISTRY) {
    assert.ok(
      models.split("\n").some((line) => line.includes(`  ${name} `) && line.includes(licence)),
    );
  }
});

Deno.test("The registry has an address, a licence and a name of its own for every model", async () => {
  assert.equal(new Set(REGISTRY.map(({ name }) => name.toLowerCase())).size, REGISTRY.length);
  for (const { name, kind, url, licence, licenceUrl, sha256, resolution } of REGISTRY) {
    assert.ok(["generator", "clip"].includes(kind) && licence !== "" && resolution > 0, name);
    assert.ok(url.startsWith("https://") && licenceUrl.startsWith("https://"), name);
    assert.match(sha256 ?? "0".repeat(64), /^[0-9a-f]{64}$/, name);
    const plan = await planPull({ source: name, name: null, sha256: null });
    assert.deepEqual([plan.name, plan.files.length], [name, 1]);
    assert.match(plan.files[0]!.name, /^[\w.-]+\.(pkl|pt)$/);
  }
});

Deno.test("Models of the registry go by their names once they are here", async () => {
  using folder = temporaryFolder();
  using _ = environment({ NADA_MODELS: folder.file("models") });
  const files: Record<string, string> = {
    ffhq: await writeGenerator(folder.file("g.safetensors")),
    "ViT-B/32": await writeTiny(folder.file("b32.safetensors")),
    "ViT-B/16": await writeTiny(folder.file("b16.safetensors")),
  };
  await using server = faultyServer((asked) => {
    const bytes = Deno.readFileSync(files[decodeURIComponent(asked.path.slice(1))]!);
    return proper(bytes, asked.path, asked);
  });
  for (const [name, path] of Object.entries(files)) {
    // The entry as it is, but for the place of its file.
    const plan = await planPull({ source: name, name: null, sha256: null });
    const url = `${server.origin}/${encodeURIComponent(name)}`;
    const file = { ...plan.files[0]!, url, sha256: await sha256File(path), sizeBytes: null };
    await pullModel({ ...plan, files: [file] }, {});
  }
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n");
  const models = ["--generator", "ffhq", "--clip", "ViT-B/32", "--clip", "ViT-B/16"];
  const rest = ["--source", "a", "--target", "b", "--templates", templates, "--steps", "1"];
  await succeed("adapt", ...models, ...rest, "--out", folder.file("run"));
  const { files: read } = JSON.parse(Deno.readTextFileSync(folder.file("run/config.json")));
  assert.match(read.generator.path, /models\/ffhq\/ffhq\.pkl$/);
});

/** A hub with one repository of these files. */
function hub(files: Record<string, Uint8Array>, sha256: Record<string, string>) {
  return (asked: Asked): Answer => {
    const { pathname } = new URL(asked.path, "http://hub");
    const json = (value: unknown) => {
      const body = JSON.stringify(value);
      return {
        status: 200,
        headers: {
          "content-type": "application/json",
          "content-length": String(new TextEncoder().encode(body).length),
        },
        body,
      };
    };
    if (pathname.startsWith("/api/models/some/clip/tree/")) {
      return json(
        Object.entries(files).map(([path, { length }]) => ({
          type: "file",
          path,
          size: length,
          oid: "0",
          ...sha256[path] && { lfs: { oid: sha256[path], size: length, pointerSize: 9 } },
        })),
      );
    }
    if (/^\/api\/models\/some\/clip(\/revision\/HEAD)?$/.test(pathname)) {
      return json({
        _id: "1",
        id: "some/clip",
        private: false,
        gated: false,
        downloads: 1,
        likes: 1,
        lastModified: "2024-01-01T00:00:00.000Z",
        cardData: { license: "mit" },
      });
    }
    const content = files[pathname.replace("/some/clip/resolve/main/", "")];
    return content ? proper(content, `"${pathname}"`, asked) : { status: 404 };
  };
}

Deno.test("nada pull hf:owner/repo brings a folder from a hub, with licence and checksums", async () => {
  using folder = temporaryFolder();
  const weights = Deno.readFileSync(await writeTiny(folder.file("w.safetensors"), tinyTensors()));
  const sha256 = await sha256File(folder.file("w.safetensors"));
  const config = new TextEncoder().encode("{}");
  const files = { "README.md": config, "config.json": config, "model.safetensors": weights };
  await using server = faultyServer(hub(files, { "model.safetensors": sha256 }));
  using _ = environment({
    NADA_MODELS: folder.file("models"),
    HF_ENDPOINT: server.origin,
    HF_TOKEN: "hf_secret",
  });
  const { out, err } = await both("pull", "hf:some/clip");
  const licence = `^Licence {2}mit, ${server.origin}/some/clip\nSize {5}[\\d.]+ KiB in 2 files$`;
  assert.match(err, new RegExp(licence, "m"));
  assert.match(out, /^Use .*--clip "hf:some\/clip"$/m);
  const [record] = JSON.parse(await succeed("models", "--json")).models;
  assert.deepEqual(
    [record.kind, record.licence, record.files.map(({ name }: { name: string }) => name)],
    ["clip", "mit", ["config.json", "model.safetensors"]],
  );
  assert.equal(server.asked.at(-1)!.headers.get("authorization"), "Bearer hf_secret");
  const features = folder.file("f.safetensors");
  await succeed("clip", "--clip", "hf:some/clip", "--texts", "a", "--out", features, "--quiet");

  for (const name of ["config.json", "model.safetensors"]) {
    const stored = folder.file(`models/hf%3Asome%2Fclip/${name}`);
    const line = `${await sha256File(stored)}  ${name}\n`;
    assert.equal(Deno.readTextFileSync(`${stored}.sha256`), line);
  }

  await succeed("pull", "hf:some/clip/model.safetensors", "--name", "tiny", "--quiet");
  assert.match(await succeed("inspect", "tiny"), /CLIP with a vision transformer/);
  assert.match(await fail("pull", "hf:some/clip/none.pt"), /has no file "none\.pt"; it has README/);
  assert.match(await fail("pull", "hf:some/other"), /no such repository for everybody/);
});

Deno.test("nada pull hf:owner/repo refuses weights that are not those of the list", async () => {
  using folder = temporaryFolder();
  const files = { "model.safetensors": new TextEncoder().encode("changed on the way") };
  await using server = faultyServer(hub(files, { "model.safetensors": "ab".repeat(32) }));
  using _ = environment({ NADA_MODELS: folder.file("models"), HF_ENDPOINT: server.origin });
  assert.match(await fail("pull", "hf:some/clip", "--quiet"), /has the sha256 .* it is removed/);
});
