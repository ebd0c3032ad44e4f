import assert from "node:assert/strict";
import { join } from "node:path";
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { Models } from "../../service/models.ts";
import { writeGenerator } from "../commands/made_up_file.ts";
import { tinyTensors } from "../models/clip/tiny.ts";
import { withClasses } from "../models/stylegan2/made_up_tensorflow.ts";
import { temporaryFolder } from "../temporary.ts";
import { startService } from "./made_up_service.ts";

/** Folders as Hugging Face has them: the weights under the name that all have, and a description. */
async function writeFolders(folder: string) {
  const weightsOf = async (name: string) => {
    await Deno.mkdir(join(folder, name));
    await Deno.writeTextFile(join(folder, name, "README.md"), "# A model\n");
    return join(folder, name, "model.safetensors");
  };
  await writeGenerator(await weightsOf("small"));
  await writeSafetensors(await weightsOf("kinds"), withClasses().tensors);
  await writeSafetensors(await weightsOf("tiny"), tinyTensors(), {
    "nada.templates": JSON.stringify(["{}"]),
  });
  const [small, kinds, tiny] = ["small", "kinds", "tiny"].map((name) => join(folder, name));
  return { generators: { small: small!, kinds: kinds! }, clips: { tiny: tiny! } };
}

Deno.test("Folders of Hugging Face are registered, adapted and drawn as files are", async () => {
  using models = temporaryFolder();
  const folders = await writeFolders(models.path);
  await using service = await startService(folders);
  const made = await service.adapt();
  assert.equal(made.state, "succeeded", JSON.stringify(made.error));
  const bytes = async (path: string) => {
    const response = await service.request(path);
    assert.equal(response.status, 200, path);
    return await response.bytes();
  };
  const base = await bytes("/v1/generators/small/samples/1.png");
  assert.notDeepEqual(await bytes(`/v1/generators/${made.id}/samples/1.png`), base);
  assert.deepEqual(
    await bytes("/v1/generators/small/download"),
    await Deno.readFile(join(folders.generators.small, "model.safetensors")),
  );
  assert.ok((await bytes(`/v1/generators/${made.id}/download?format=rosinality`)).length > 0);
  assert.notDeepEqual(
    await bytes("/v1/generators/kinds/samples/1.png?class=1"),
    await bytes("/v1/generators/kinds/samples/1.png?class=2"),
  );
  const embedded = await service.post("/v1/clip/embeddings", { clip: "tiny", texts: ["a"] });
  assert.equal((await embedded.json()).dimensions, 3);
});

Deno.test("A folder without weights is refused at the start, with the reason", async () => {
  using models = temporaryFolder();
  const none = { generators: {}, clips: {} };
  await assert.rejects(Models.open({ ...none, generators: { small: models.path } }), {
    name: "CheckpointError",
    message: /Cannot read|Cannot load/,
  });
  await assert.rejects(Models.open({ ...none, clips: { tiny: models.path } }), {
    name: "CheckpointError",
    message: /the folder has no "model\.safetensors"/,
  });
});
