import assert from "node:assert/strict";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { decodePng, encodePng } from "../../../lib/image/mod.ts";
import { adapt, type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { Gpu } from "../../../lib/gpu/device.ts";
import { Program } from "../../../lib/graph/program.ts";
import { DIRECTION_ONLY, LOSS_PARTS } from "../../../models/nada/losses/mod.ts";
import { hasPlateaued } from "../../../models/nada/plateau.ts";
import { likelyPrecision } from "../../../models/nada/precision_choice.ts";
import { pickSnapshot, snapshotSteps } from "../../../models/nada/snapshots.ts";
import { assertClose } from "../../assert.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { tinyResNetTensors, writeTiny } from "../clip/tiny.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";
import { adaptTo, AUTO, files, GENERATOR, readLog, tensorsIn } from "./tiny_run.ts";

const target = (text: string, weight = 1) => ({ text, weight });

Deno.test("adapt() writes the run folder: config, log, grids, chart, delta", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const options = await files(folder);
  const out = folder.file("run");
  const { figures, ...result } = await adaptTo(out, options);
  assert.deepEqual(figures.map(({ clip }) => clip), ["clip.safetensors"]);
  assert.ok(Math.abs(figures[0]!.directionAgreement.mean) <= 1);
  assert.deepEqual(result, {
    folder: out,
    status: "finished",
    stepsDone: 5,
    lastGrid: `${out}/samples/step_0005.png`,
  });
  assert.deepEqual(gpu.allocated, before, "device memory was left allocated");

  const config = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  // What "auto" came to is kept, for resuming.
  assert.deepEqual(config.options, { ...options, precision: likelyPrecision("auto", gpu) });
  assert.match(config.files.generator.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual(Object.keys(config.files).sort(), [
    "clip",
    "generator",
    "partTemplates",
    "templates",
  ]);

  const log = readLog(`${out}/log.jsonl`);
  assert.deepEqual(log.map(({ step }) => step), [0, 1, 2, 3, 4]);
  for (const { loss, layers, ms } of log) {
    assert.ok(loss! > 0 && loss! < 2 && ms > 0);
    assert.deepEqual(layers, ["input", "conv1", "convs.0", "convs.1"]);
  }

  const grids = [...Deno.readDirSync(`${out}/samples`)].map(({ name }) => name).sort();
  assert.deepEqual(grids, ["step_0000.png", "step_0002.png", "step_0004.png", "step_0005.png"]);
  const { text } = decodePng(Deno.readFileSync(result.lastGrid));
  assert.equal(JSON.parse(text.nada!).target, "b");
  assert.ok(decodePng(Deno.readFileSync(`${out}/loss.png`)).width > 0);

  const base = await tensorsIn(options.generator);
  const delta = await tensorsIn(`${out}/adapted.safetensors`);
  assert.ok(delta.has("conv1.conv.weight") && delta.has("input.input"));
  assert.ok(!delta.has("style.1.weight") && !delta.has("to_rgb1.conv.weight"));
  for (const [name, values] of delta) {
    const old = base.get(name)!;
    const largest = Math.max(...values.map((value, i) => Math.abs(value - old[i]!)));
    // Adam without first moment moves a weight by at most lr / sqrt(1 - beta2) a step.
    assert.ok(largest > 0 && largest < 5 * 0.0016 * 12, `${name} moved by ${largest}`);
  }
});

Deno.test("adapt() tells how far kernels are measured on a GPU, and can be stopped meanwhile", async () => {
  using folder = temporaryFolder();
  const options = await files(folder);
  const gpu = await Gpu.open();
  Object.defineProperty(gpu, "about", { value: { ...gpu.about, isCpu: false } });
  const stop = new AbortController();
  const told: string[] = [];
  const onTuning = (done: number, of: number) => {
    told.push(`${done} of ${of > 5 ? "many" : of}`);
    if (done === 1) stop.abort();
  };
  const inputs = await readInputs(options);
  const { signal } = stop;
  await assert.rejects(adapt(gpu, folder.file("run"), inputs, { onTuning }, signal), /abort/);
  assert.deepEqual(told, ["0 of many", "1 of many"]);
  await assert.rejects(Deno.lstat(folder.file("run")), Deno.errors.NotFound);
  assert.equal(gpu.allocated.buffers, 0);
  gpu.close();
});

Deno.test("adapt() begins a step before it reads the loss of the one before, which changes nothing", async (t) => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), snapshots: 2, checkpointEvery: 1 };
  const gpu = await testGpu();
  const { run } = Program.prototype;
  let begun = 0;
  Program.prototype.run = function (inputs, how) {
    if (how?.next) begun++;
    return run.call(this, inputs, how);
  };
  using _ = { [Symbol.dispose]: () => void (Program.prototype.run = run) };
  // Where others have their turn on the device after each step, nothing is begun for them to wait for.
  const takeTurn = () => Promise.resolve({ [Symbol.dispose]() {} });
  const check = (name: string, change: Partial<AdaptOptions>, wanted: number) =>
    t.step(name, async () => {
      const [ahead, inTurns] = [`${name} ahead`, `${name} in turns`].map(folder.file);
      begun = 0;
      const result = await adaptTo(ahead!, { ...options, ...change });
      assert.equal(begun, wanted);
      const other = await adaptTo(inTurns!, { ...options, ...change }, { takeTurn });
      assert.equal(begun, wanted);
      assert.equal(result.status, change.z ? "diverged" : "finished");
      assert.deepEqual(
        { ...result, folder: "", lastGrid: "" },
        { ...other, folder: "", lastGrid: "" },
      );
      const log = (path: string) =>
        readLog(`${path}/log.jsonl`).map((entry) => ({ ...entry, ms: 0 }));
      assert.deepEqual(log(ahead!), log(inTurns!));
      const steps = await snapshotSteps(ahead!);
      assert.ok(steps.length > 0);
      for (const file of ["adapted", "resume", ...steps.map((n) => `snapshots/step_000${n}`)]) {
        const [one, two] = [ahead, inTurns].map((run) => tensorsIn(`${run}/${file}.safetensors`));
        assert.deepEqual(await one, await two, file);
      }
    });
  await check("all layers", {}, 4);
  await check("layers chosen every second step", { autoLayers: AUTO }, 2);
  // The step after the one without a loss, begun by then, would have one.
  const z = folder.file("z.safetensors");
  const data = Float32Array.from({ length: 5 * 12 }, (_, i) => i >= 36 && i < 48 ? NaN : i % 7 - 3);
  await writeSafetensors(z, [["z", { shape: [5, 2, 6], data }]]);
  await check("diverging", { z }, 4);
  if (gpu.limits.halves) await check("in f16", { precision: "f16" }, 4);
});

Deno.test("adapt() trains the layers it chooses, logs them, and leaves the others alone", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), autoLayers: { ...AUTO, every: 3 } };
  await adaptTo(folder.file("run"), options);
  const chosen = readLog(folder.file("run/log.jsonl")).map(({ layers }) => layers);
  assert.deepEqual([chosen[1], chosen[2], chosen[4]], [chosen[0], chosen[0], chosen[3]]);
  assert.ok(chosen.every((layers) => layers.length === 2));
  const moved = (await tensorsIn(folder.file("run/adapted.safetensors"))).keys()
    .map((name) => name.replace(/\.(conv|noise|activate|bias).*/, ""));
  assert.deepEqual(new Set(moved), new Set(chosen.flat()));
});

Deno.test("adapt() skips the choice of layers when it would choose them all, and says so", async () => {
  using folder = temporaryFolder();
  const autoLayers = { ...AUTO, count: 4 };
  let note: string | undefined;
  const onStart = (start: { notes: readonly string[] }) => [note] = start.notes;
  await adaptTo(folder.file("run"), { ...await files(folder), autoLayers }, { onStart });
  assert.match(note!, /All 4 layers are chosen in every step: their choice is skipped/);
  const log = readLog(folder.file("run/log.jsonl"));
  for (const { layers } of log) {
    assert.deepEqual(layers, ["conv1", "to_rgb1", "convs.0", "convs.1"]);
  }
  assert.deepEqual(log.map(({ notes }) => notes), [[note], ...Array(4).fill(undefined)]);
});

Deno.test("adapt() takes several CLIP models and parts of the loss; what weighs 0 is not read", async () => {
  using folder = temporaryFolder();
  const options = await files(folder);
  const clips = [
    ...options.clips,
    { path: folder.file("missing.safetensors"), weight: 0 },
    {
      path: await writeTiny(folder.file("resnet.safetensors"), tinyResNetTensors()),
      weight: 0.5,
    },
  ];
  const lambdas = { direction: 1, global: 0.5, patch: 0.25, manifold: 2, texture: 0.125 };
  await adaptTo(folder.file("run"), { ...options, clips, lambdas, steps: 2, batch: 1 });
  // Judged in the direction of the texts, also where another part alone is trained.
  const alone = { ...DIRECTION_ONLY, direction: 0, global: 1 };
  const { figures } = await adaptTo(folder.file("alone"), { ...options, lambdas: alone, steps: 1 });
  assert.ok(Number.isFinite(figures[0]!.directionAgreement.mean));
  const { files: read } = JSON.parse(Deno.readTextFileSync(folder.file("run/config.json")));
  assert.deepEqual(Object.keys(read).sort(), [
    "clip",
    "clip 2",
    "generator",
    "partTemplates",
    "templates",
  ]);
  for (const { loss, parts } of readLog(folder.file("run/log.jsonl"))) {
    assert.deepEqual(Object.keys(parts!), Object.keys(lambdas));
    const sum = LOSS_PARTS.reduce((sum, part) => sum + lambdas[part] * parts![part]!, 0);
    assert.ok(Math.abs(sum - loss!) < 1e-5 * Math.abs(loss!), `${sum} is not ${loss}`);
  }
});

Deno.test("adapt() trains the layers of a phase or a list, the mapping network too", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 1 };
  const moved = async (name: string, change: Partial<AdaptOptions>) => {
    await adaptTo(folder.file(name), { ...options, ...change });
    return new Set((await tensorsIn(folder.file(`${name}/adapted.safetensors`))).keys());
  };
  const all = await moved("all", { phase: "all" });
  assert.ok(all.has("style.1.weight") && all.has("to_rgbs.0.bias") && all.has("input.input"));
  assert.deepEqual(
    await moved("list", { trainLayers: ["to_rgb1", "style"] }),
    new Set([...all].filter((name) => /^(to_rgb1|style)\./.test(name))),
  );
});

/** Pictures of one colour each, as files. */
function writePictures(folder: string, colors: readonly number[][]): void {
  Deno.mkdirSync(folder);
  colors.forEach((color, i) => {
    const data = Uint8Array.from({ length: 9 * 7 * 3 }, (_, k) => color[k % 3]!);
    const png = encodePng({ width: 9, height: 7, channels: 3, data });
    Deno.writeFileSync(`${folder}/${i}.png`, png);
  });
}

Deno.test("adapt() moves towards pictures, with or without texts", async () => {
  using folder = temporaryFolder();
  const styleImages = folder.file("style");
  writePictures(styleImages, [[250, 30, 20], [200, 60, 10]]);
  const options = { ...await files(folder), styleImages, steps: 1, batch: 1 };
  const loss = async (name: string, change: Partial<AdaptOptions>) => {
    await adaptTo(folder.file(name), { ...options, ...change });
    return readLog(folder.file(`${name}/log.jsonl`))[0]!.loss!;
  };
  const trainGenerator = folder.file("other.safetensors"); // so that there is a direction at once
  await writeSafetensors(trainGenerator, madeUpTensors(GENERATOR, 8));
  const images = await loss("images", { trainGenerator });
  const alone = { trainGenerator, source: "", targets: [] };
  assert.equal(await loss("alone", alone), images);
  const texts = await loss("texts", { trainGenerator, textWeight: 1 });
  const both = await loss("both", { trainGenerator, textWeight: 0.5 });
  assert.equal(texts, await loss("no images", { trainGenerator, styleImages: null }));
  assert.ok((both - images) * (both - texts) !== 0 && images !== texts);
  // A unit vector between two others is nearer to what either is near to.
  assert.ok(both < Math.max(images, texts));
  const lambdas = { ...DIRECTION_ONLY, global: 1 };
  await loss("global", { ...alone, lambdas, autoLayers: AUTO });

  const config = JSON.parse(Deno.readTextFileSync(folder.file("alone/config.json")));
  assert.deepEqual(config.files["style image 2"].path, `${styleImages}/1.png`);
  assert.equal(config.prompt, null);
});

Deno.test("adapt() weighs several target texts", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 1, batch: 1 };
  const trainGenerator = folder.file("other.safetensors");
  await writeSafetensors(trainGenerator, madeUpTensors(GENERATOR, 8));
  const lambdas = { direction: 1, global: 1, patch: 1, manifold: 1, texture: 0 };
  const parts = async (name: string, targets: AdaptOptions["targets"]) => {
    await adaptTo(folder.file(name), { ...options, trainGenerator, lambdas, targets });
    return readLog(folder.file(`${name}/log.jsonl`))[0]!.parts!;
  };
  const [b, c] = [await parts("b", [target("b")]), await parts("c", [target("c")])];
  const same = await parts("same", [target("b", 3), target("b", 0.5)]);
  const near = await parts("near", [target("b", 0.999), target("c", 0.001)]);
  const half = await parts("half", [target("b", 0.5), target("c", 0.5)]);
  for (const part of LOSS_PARTS.filter((part) => part !== "texture")) {
    assert.ok(Math.abs(same[part]! - b[part]!) < 1e-5, part);
    assert.ok(Math.abs(near[part]! - b[part]!) < 0.1 * Math.abs(c[part]! - b[part]!), part);
    assert.ok(Math.abs(half[part]! - b[part]!) > Math.abs(near[part]! - b[part]!), part);
  }
});

Deno.test("pickSnapshot() makes an earlier step the result", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), snapshots: 2, sampleEvery: 0 };
  const run = folder.file("run");
  await adaptTo(folder.file("short"), { ...options, steps: 4 });
  await adaptTo(run, options);
  assert.deepEqual(await snapshotSteps(run), [2, 4]);
  const result = `${run}/adapted.safetensors`;
  const size = Deno.statSync(result).size;
  assert.ok(Deno.statSync(`${run}/snapshots/step_0004.safetensors`).size < size);

  assert.equal(await pickSnapshot(run, 4), result);
  const [short, picked] = [
    await tensorsIn(folder.file("short/adapted.safetensors")),
    await tensorsIn(result),
  ];
  const base = await tensorsIn(options.generator);
  assert.deepEqual([...picked.keys()].sort(), [...short.keys()].sort());
  for (const [name, values] of picked) {
    const change = (of: Float32Array) => of.map((value, i) => value - base.get(name)![i]!);
    assertClose(change(values), change(short.get(name)!), 1e-3, name); // f16: 2^-11
  }
  await assert.rejects(pickSnapshot(run, 3), /there is no snapshot of it, it has .* steps 2, 4/);
  await assert.rejects(pickSnapshot(folder.file("nothing"), 3), /it has no config.json/);
});

Deno.test("adapt() shows as many samples as asked for, cropped as asked for", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 1, sampleTruncation: 0.5 };
  const grid = async (name: string, change: Partial<AdaptOptions>) => {
    const { lastGrid } = await adaptTo(folder.file(name), { ...options, ...change });
    return decodePng(Deno.readFileSync(lastGrid));
  };
  const few = await grid("few", { sampleCount: 2 });
  const many = await grid("many", { sampleCount: 11 });
  const cars = await grid("cars", { sampleCount: 2, crop: "cars" });
  assert.ok(many.height > few.height && cars.height < few.height);
  assert.deepEqual(JSON.parse(many.text.nada!).seeds, [...Array(11).keys()]);
  assert.equal(JSON.parse(many.text.nada!).truncation, 0.5);
});

Deno.test("adapt() ends with grids as in the paper: sixteen seeds before, the same after", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 1, paperGrids: 2 };
  const run = folder.file("run");
  const shown: string[] = [];
  await adaptTo(run, options, { onSamples: (file) => void shown.push(file) });
  const grids = [0, 1].map((place) => `${run}/samples/grid_${place}.png`);
  assert.deepEqual(shown.slice(-2), grids);
  const [first, second] = grids.map((file) => decodePng(Deno.readFileSync(file)));
  const { width, height, data, text } = second!;
  assert.deepEqual([width, height], [4 * 8, 2 * 8 + 4]);
  const { seeds, step } = JSON.parse(text.nada!);
  assert.deepEqual([seeds, step], [Array.from({ length: 16 }, (_, i) => 16 + i), 1]);
  assert.notDeepEqual(data, first!.data);
  const strip = 3 * width * 8;
  assert.ok(data.subarray(strip, data.length - strip).every((value) => value === 255));
  assert.notDeepEqual(data.subarray(0, strip), data.subarray(data.length - strip));
});

Deno.test("adapt() ends on the loss's plateau where it is asked to", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), lr: 1e-9, sampleEvery: 0, batch: 1, steps: 300 };
  // The same latents in every step: a loss that stays where it is.
  const z = folder.file("z.safetensors");
  await writeSafetensors(z, [["z", { shape: [300, 1, 6], data: new Float32Array(1800).fill(1) }]]);
  const { status, stepsDone } = await adaptTo(folder.file("run"), {
    ...options,
    z,
    noise: "const",
    stopOn: "plateau",
  });
  assert.deepEqual([status, stepsDone], ["plateau", 100]);
});

Deno.test("hasPlateaued() compares the last 50 losses with the 50 before", () => {
  const falling = Array.from({ length: 300 }, (_, i) => Math.exp(-i / 200));
  assert.equal(hasPlateaued(falling), false);
  assert.equal(hasPlateaued(Array(99).fill(1)), false);
  assert.equal(hasPlateaued(Array(100).fill(1)), true);
  assert.equal(hasPlateaued([...falling, ...Array(100).fill(0.3)]), true);
});

Deno.test("adapt() names style images that are no good, and skips them where it may", async () => {
  using folder = temporaryFolder();
  const styleImages = folder.file("style");
  const options = { ...await files(folder), styleImages, steps: 1 };
  const refused = (change: Partial<AdaptOptions>, message: RegExp) =>
    assert.rejects(readInputs({ ...options, ...change }), { name: "UserError", message });
  await refused({}, /Cannot read the folder "[^"]*style"/);
  Deno.mkdirSync(styleImages);
  await refused({}, /style images from "[^"]*style": there are none; put PNG/);
  Deno.writeTextFileSync(`${styleImages}/bad.jpg`, "no picture");
  await refused({ skipBadImages: true }, /none of its 1 can be read/);
  Deno.removeSync(styleImages, { recursive: true });
  writePictures(styleImages, [[1, 2, 3]]);
  Deno.writeTextFileSync(`${styleImages}/notes.txt`, "not looked at");
  Deno.writeTextFileSync(`${styleImages}/bad.jpg`, "no picture");
  await refused({}, /"[^"]*bad\.jpg": it is of no known format; PNG, JPEG.*--skip-bad-images/);
  const { pictures, notes } = await readInputs({ ...options, skipBadImages: true });
  assert.equal(pictures.length, 1);
  assert.match(notes[0]!, /Left out bad\.jpg/);
  Deno.removeSync(`${styleImages}/bad.jpg`);
  // Deno.symlink() would need more permissions than the tests have.
  const link = ["-c", 'ln -s nowhere "$1"', "sh", `${styleImages}/gone.png`];
  await new Deno.Command("/bin/sh", { args: link }).output();
  await refused({}, /gone\.png": there is no such file; mend it or take it away, or pass --skip/);
  await refused({ textWeight: 2, skipBadImages: true }, /Cannot mix texts and images by 2/);
  await refused({ targets: [], textWeight: 0.5 }, /Cannot use --text-weight without --target/);
  const lambdas = { ...DIRECTION_ONLY, patch: 1 };
  await refused({ targets: [], lambdas }, /Cannot use the patch loss without --target/);
});

Deno.test("adapt() goes on from a delta as the start of the trained generator", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), steps: 2, noise: "const" as const };
  await adaptTo(folder.file("first"), options);
  const trainGenerator = folder.file("first/adapted.safetensors");
  await adaptTo(folder.file("second"), { ...options, trainGenerator, steps: 1, lr: 1e-12 });
  const [first, second] = await Promise.all(
    ["first", "second"].map((run) => tensorsIn(folder.file(`${run}/adapted.safetensors`))),
  );
  for (const [name, data] of first!) assertClose(second!.get(name)!, data, 1e-6, name);
});

Deno.test("adapt() stops when the loss is no longer a number, and keeps the last good state", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), lr: 1e30, sampleEvery: 0 };
  const result = await adaptTo(folder.file("run"), options);
  assert.equal(result.status, "diverged");
  assert.equal(result.stepsDone, 0);
  for (const name of ["adapted", "resume"]) {
    for (const values of (await tensorsIn(folder.file(`run/${name}.safetensors`))).values()) {
      assert.ok(values.every(Number.isFinite));
    }
  }
});

Deno.test("adapt() writes nothing when what it is given is no good", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = await files(folder);
  const out = folder.file("run");
  const z = folder.file("z.safetensors");
  await writeSafetensors(z, [["z", { shape: [4, 2, 6], data: new Float32Array(48) }]]);
  const other = folder.file("other.safetensors");
  await writeSafetensors(other, madeUpTensors({ ...GENERATOR, channels: [7, 3] }, 3));
  const broken = madeUpTensors(GENERATOR, 3);
  broken.get("conv1.conv.weight")!.data[5] = NaN;
  const nan = folder.file("nan.safetensors");
  await writeSafetensors(nan, broken);
  const wrong: [Partial<AdaptOptions>, RegExp][] = [
    [{ targets: [target(" A")] }, /source and target are the same text/],
    [{ targets: [target("a b c d e f g h i")] }, /Cannot tokenize .* 11 tokens .* at most 9/],
    [{ z }, /"z" has 4 steps; pass --steps 4/],
    [{ z, batch: 3 }, /"z" has shape \[4,2,6\], \[steps, 3, 6\] is needed/],
    [{ z: options.generator }, /it holds no tensor "z"/],
    [{ trainGenerator: other }, /they differ in architecture \(StyleGAN2, 8x8, z 6, channels 7 3/],
    [{ generator: nan }, /"conv1.conv.weight" holds NaN at index 5/],
    [{ generator: options.clips[0]!.path }, /it is a CLIP model/],
    [{ clips: [{ path: options.generator, weight: 1 }] }, /it is a StyleGAN generator/],
    [{ targets: [] }, /without --target/],
    [{ source: " " }, /without --source/],
    [{ targets: [target("b", 0)] }, /weigh the target "b" by 0/],
    [{ size: 16 }, /for 16x16: its images are 8x8; leave --size out/],
    [{ mixing: 1.5 }, /Cannot mix styles with probability 1.5/],
    [{ autoLayers: { ...AUTO, count: 5 } }, /Cannot choose 5 layers: this generator has 4/],
    [{ autoLayers: AUTO, phase: "shape" }, /--auto-layer-k and --phase together/],
    [{ trainLayers: ["convs.2"] }, /Cannot train "convs.2": .* input, conv1, convs.0, convs.1/],
    [{ lambdas: { ...DIRECTION_ONLY, direction: 0 } }, /weights of all its parts are 0/],
    [{ lambdas: { ...DIRECTION_ONLY, texture: 1 } }, /no CLIP model has a ResNet/],
    [{ clips: [{ ...options.clips[0]!, weight: 0 }] }, /Cannot train without a CLIP model/],
    [{ clips: [...options.clips, ...options.clips] }, /as two CLIP models/],
    [{ textureClip: options.clips[0]!.path }, /without the texture loss/],
    [
      { textureClip: options.clips[0]!.path, lambdas: { ...DIRECTION_ONLY, texture: 1 } },
      /a ResNet is needed/,
    ],
  ];
  for (const [change, message] of wrong) {
    // Before there is a device.
    await assert.rejects(readInputs({ ...options, ...change }), message);
  }
  const before = { ...gpu.allocated };
  await assert.rejects(adaptTo(out, { ...options, batch: 2 ** 18 }), /use a smaller batch/);
  await assert.rejects(Deno.lstat(out), Deno.errors.NotFound);
  assert.deepEqual(gpu.allocated, before, "device memory was left allocated");
  Deno.mkdirSync(out);
  await assert.rejects(adaptTo(out, options), /it exists; name a new folder/);
});
