import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../fixtures.ts";
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { assertClose } from "../assert.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeTiny } from "../models/clip/tiny.ts";
import { writeGenerator } from "./made_up_file.ts";
import { main } from "../../main.ts";
import { captured } from "../console.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

type Folder = ReturnType<typeof temporaryFolder>;

/** The options that a short run on made-up models needs. */
async function models(folder: Folder): Promise<string[]> {
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n");
  return [
    ...["--generator", await writeGenerator(folder.file("base.safetensors"))],
    ...["--clip", await writeTiny(folder.file("clip.safetensors"))],
    ...["--source", "a", "--target", "b", "--templates", templates, "--steps", "3"],
  ];
}

Deno.test("nada adapt --json prints an object a line, from start to end", async () => {
  using folder = temporaryFolder();
  const out = folder.file("run");
  const printed = await succeed("adapt", ...await models(folder), "--out", out, "--json");
  const events = printed.split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ event }) => event),
    ["start", "samples", "step", "step", "step", "samples", "end"],
  );
  assert.equal(events.at(-1).status, "finished");
  assert.deepEqual(events.filter(({ event }) => event === "step").map(({ step }) => step), [
    0,
    1,
    2,
  ]);
});

Deno.test("nada adapt ends by naming the delta and the grid, and nada sample takes the delta", async () => {
  using folder = temporaryFolder();
  const options = await models(folder);
  const printed = await succeed("adapt", ...options, "--out", folder.file("run"));
  assert.match(printed, /Adapted generator .*run\/adapted.safetensors/);
  assert.match(printed, /Before and after .*run\/samples\/step_0003.png/);
  assert.match(
    printed,
    /clip\.safetensors +direction agreement -?0\.\d{4}, content kept [01]\.\d+/,
  );
  const sample = (name: string, ...more: string[]) =>
    succeed(
      "sample",
      ...options.slice(0, 2),
      ...more,
      "--seeds",
      "0-1",
      "--out",
      folder.file(name),
    );
  await sample("before.safetensors");
  await sample("after.safetensors", "--adapted", folder.file("run/adapted.safetensors"));
  const [before, after] = [
    await tensorsIn(folder.file("before.safetensors")),
    await tensorsIn(folder.file("after.safetensors")),
  ];
  assert.deepEqual(before.w, after.w); // the mapping network is not trained
  assert.notDeepEqual(before.images!.data, after.images!.data);
});

Deno.test("nada adapt --target takes a weight behind a colon, several times", async () => {
  using folder = temporaryFolder();
  const options = [...await models(folder), "--out", folder.file("run"), "--quiet"];
  await succeed("adapt", ...options, "--target", "c:0.5", "--target", "d : 3");
  const { options: { targets }, prompt } = JSON.parse(
    Deno.readTextFileSync(folder.file("run/config.json")),
  );
  assert.deepEqual(targets, [
    { text: "b", weight: 1 },
    { text: "c", weight: 0.5 },
    { text: "d", weight: 3 },
  ]);
  assert.equal(prompt, null);
});

Deno.test("nada adapt takes the reference's names of its options", async () => {
  using folder = temporaryFolder();
  const out = folder.file("run");
  const ours = await models(folder);
  const names: Record<string, string> = {
    "--generator": "--frozen_gen_ckpt",
    "--clip": "--clip_models",
    "--source": "--source_class",
    "--target": "--target_class",
    "--steps": "--iter",
  };
  const args = [
    ...ours.map((arg) => names[arg] ?? arg),
    ...["--clip_model_weights", "2", "--auto_layer_k", "2", "--auto_layer_iters", "1"],
    ...["--auto_layer_batch", "3", "--lambda_global", "0.5", "--phase", "None", "--mixing", "0.5"],
    ...["--n_sample", "4", "--sample_truncation", "0.6", "--output_interval", "2", "--size", "8"],
    ...["--num_grid_outputs", "1", "--img2img_batch", "4"],
    ...["--save_interval", "1", "--crop_for_cars", "--r1", "10", "--output_dir", out, "--quiet"],
  ];
  const { result, err } = await captured(() => main(["adapt", ...args]));
  assert.equal(result, 0, err);
  assert.equal(err.trim(), "Without effect here: --r1, --img2img_batch");
  const { options } = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  const expected = {
    generator: ours[1],
    clips: [{ path: ours[3], weight: 2 }],
    source: "a",
    targets: [{ text: "b", weight: 1 }],
    steps: 3,
    autoLayers: { count: 2, iterations: 1, batch: 3, every: 1 },
    lambdas: { direction: 1, global: 0.5, patch: 0, manifold: 0, texture: 0 },
    phase: null,
    mixing: 0.5,
    sampleCount: 4,
    sampleTruncation: 0.6,
    paperGrids: 1,
    imageBatch: 16,
    sampleEvery: 2,
    size: 8,
    snapshots: 1,
    crop: "cars",
  };
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(options[name], value);
  const picked = await succeed("pick", "--run", out, "--step", "2");
  assert.match(picked, /Adapted generator .*adapted\.safetensors/);
  assert.equal((await succeed("pick", "--run", out)).trim(), "1 2 3");
});

Deno.test("nada adapt --preset sets what is not given beside it; nada presets lists them", async () => {
  using folder = temporaryFolder();
  const options = [...await models(folder), "--out", folder.file("run"), "--quiet"];
  await succeed("adapt", ...options, "--preset", "shape", "--batch", "1");
  const { options: { mixing, batch, steps } } = JSON.parse(
    Deno.readTextFileSync(folder.file("run/config.json")),
  );
  assert.deepEqual({ mixing, batch, steps }, { mixing: 0.9, batch: 1, steps: 3 });
  assert.match(await succeed("presets"), /^shape .*\n.*\n.*--mixing 0\.9/m);
});

Deno.test("nada adapt --profile writes a trace and a table", async () => {
  using folder = temporaryFolder();
  const trace = folder.file("trace.json");
  await succeed(
    ...["adapt", ...await models(folder), "--out", folder.file("run"), "--profile", trace],
    "--quiet",
  );
  const { traceEvents } = JSON.parse(Deno.readTextFileSync(trace));
  assert.ok(traceEvents.length > 100 && traceEvents.every((e: { ph: string }) => e.ph === "X"));
  assert.match(Deno.readTextFileSync(`${trace}.txt`), /adam/);
});

Deno.test("nada adapt refuses wrong options with one line that names them", async () => {
  using folder = temporaryFolder();
  const options = await models(folder);
  const out = ["--out", folder.file("run")];
  const wrong: [string[], RegExp][] = [
    [[...options.slice(2), ...out], /without --generator/],
    [[...options.slice(0, 2), ...options.slice(4), ...out], /without --clip/],
    [[...options.slice(0, 6), ...options.slice(8), ...out], /without --target/],
    [[...options, "--target", " ", ...out], /Cannot adapt to the target "": say what/],
    [
      [...options, "--z", folder.file("none"), ...out],
      /"[^"]*none", given as --z: there is no such/,
    ],
    [[...options, "--steps", "0", ...out], /'--steps <n>'.*from 1 on/],
    [[...options, "--lr", "-1", ...out], /'--lr <x>'.*above 0/],
    [[...options, "--seed", "4294967296", ...out], /'--seed <n>'/],
    [[...options, "--noise", "loud", ...out], /Allowed choices are random, const, none/],
    [[...options, "--out", options[1]!], /it is a file/],
    [["--resume", folder.path], /it has no config.json/],
    [["--resume", folder.path, "--lr", "1"], /--lr with --resume/],
    [
      [...options, "--clip-weight", "1", "--clip-weight", "2", ...out],
      /there are 1 \(clip.safetensors\) and 2 weights \(1, 2\)/,
    ],
    [[...options, "--lambda-patch", "x", ...out], /'--lambda-patch <x>'.*Expected a number/],
    [[...options, "--lambda-direction", "0", ...out], /weights of all its parts are 0/],
    [
      [...options, "--direction-loss", "l2", ...out],
      /Allowed choices are cosine, mse, mae, projection/,
    ],
    [[...options, "--auto-layer-k", "5", ...out], /Cannot choose 5 layers: .* has 4/],
    [[...options, "--target", "b:0", ...out], /weigh the target "b" by 0/],
    [[...options, "--target", "b:-1", ...out], /weigh the target "b" by -1: give a number above 0/],
    [[...options, "--target", "b:1e999", ...out], /weigh the target "b" by Infinity/],
    [[...options, "--text-weight", "1", ...out], /--text-weight without --style-images/],
    [[...options, "--style-images", folder.path, ...out], /there are none; put PNG/],
    [[...options, "--preset", "sketchy", ...out], /there is none; choose from texture, identity/],
    [[...options, "--iter", "5", ...out], /--iter and --steps together: they are one/],
    [[...options, "--sgxl", ...out], /Cannot use --sgxl: .*StyleGAN-XL's not/],
    [[...options, "--mixing", "2", ...out], /Cannot mix styles with probability 2/],
    [[...options, "--layers-every", "5", ...out], /--layers-every without --auto-layer-k/],
    [
      [...options, "--phase", "shape", "--train-layers", "conv1", ...out],
      /--phase and --train-layers together/,
    ],
    [[...options, "--phase", "fine", ...out], /Allowed choices are texture, shape, no_fine/],
    [[...options, "--train-layers", "conv2", ...out], /no such layer; its layers are style/],
    [
      [...options, "--train-layers", "input,conv1", "--train-params", "shift", ...out],
      /Cannot train the shift of "input": it has no styles; those that have are conv1, convs.0/,
    ],
    [[...options, "--train-params", "few", ...out], /Allowed choices are all, modulation, shift/],
  ];
  for (const [args, message] of wrong) assert.match(await fail("adapt", ...args), message);
  await assert.rejects(Deno.lstat(folder.file("run")), Deno.errors.NotFound);
});

Deno.test("nada adapt stopped by Ctrl-C finishes the step and says how to go on", async () => {
  using folder = temporaryFolder();
  const options = await models(folder);
  const run = folder.file("run");
  const script = `deno run -q --config "$ROOT/deno.json" -P "$ROOT/main.ts" "$@" > "$LOG" & pid=$!
    until grep -q '"step":2' "$LOG"; do kill -0 $pid || exit; sleep 0.05; done
    kill -INT $pid; wait $pid`;
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", "adapt", ...options, "--steps", "500", "--out", run, "--json"],
    env: { ROOT: fileURLToPath(new URL("../..", import.meta.url)), LOG: folder.file("log") },
    stderr: "piped",
  }).output();
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stderr), /Finishing the step/);
  const log = Deno.readTextFileSync(`${run}/log.jsonl`).trimEnd().split("\n");
  assert.ok(log.length >= 3 && log.length < 500);
  const steps = String(log.length + 1);
  await succeed("adapt", "--resume", run, "--steps", steps, "--quiet");
  assert.equal(
    Deno.readTextFileSync(`${run}/log.jsonl`).trimEnd().split("\n").length,
    log.length + 1,
  );
});

Deno.test({
  name: "nada adapt on the reference's files follows the reference",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const inputs = await fixture("training/inputs.safetensors");
  const z = Float32Array.from([0, 1, 2, 3, 4, 5].flatMap((k) => [...inputs[`z.${k}`]!.data]));
  await writeSafetensors(folder.file("z.safetensors"), [["z", { shape: [6, 2, 32], data: z }]]);
  const settings = await fixtureJson<{
    source_class: string;
    target_class: string;
    templates: string[];
  }>("training/training.json");
  await Deno.writeTextFile(folder.file("templates.txt"), settings.templates.join("\n"));
  await succeed(
    ...["adapt", "--generator", fixturePath("stylegan2/generator_32.safetensors")],
    ...["--train-generator", fixturePath("training/train_start.safetensors")],
    ...["--clip", fixturePath("clip/vit_a/state_dict.pt")],
    ...["--source", settings.source_class, "--target", settings.target_class],
    ...["--templates", folder.file("templates.txt"), "--z", folder.file("z.safetensors")],
    ...["--noise", "const", "--precision", "f32", "--steps", "6"],
    ...["--out", folder.file("run"), "--quiet"],
  );
  const expected = await fixture("training/all_one_clip.safetensors");
  const losses = Deno.readTextFileSync(folder.file("run/log.jsonl")).trimEnd().split("\n")
    .map((line) => JSON.parse(line).loss as number);
  losses.forEach((loss, i) => assert.ok(Math.abs(loss - expected.losses!.data[i]!) <= 2e-5));
  const adapted = await tensorsIn(folder.file("run/adapted.safetensors"));
  const start = await fixture("training/train_start.safetensors");
  const names = Object.keys(expected).filter((name) => name.startsWith("final."));
  const change = (values: (name: string) => Float32Array) =>
    names.flatMap((full) => {
      const name = full.slice("final.".length);
      return Array.from(values(name), (value, i) => value - start[name]!.data[i]!);
    });
  const error = assertClose(
    change((name) => adapted[name]!.data),
    change((name) => expected[`final.${name}`]!.data),
    1e-3,
    "total change of weights",
  );
  console.log(`total change of weights: ${error.toExponential(1)}`);
});

Deno.test("nada adapt without --out names a folder by the texts", async () => {
  using folder = temporaryFolder();
  const options = await models(folder);
  const before = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    await succeed("adapt", ...options, "--quiet");
    await succeed("adapt", ...options, "--quiet");
  } finally {
    Deno.chdir(before);
  }
  const runs = [...Deno.readDirSync(folder.file("runs"))].map(({ name }) => name).sort();
  assert.deepEqual(runs, ["a-to-b", "a-to-b-2"]);
});
