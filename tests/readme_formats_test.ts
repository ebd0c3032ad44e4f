/**
 * The README's table of files: whether nada reads, writes and adapts what each row names. Every file of
 * a row is made, read, written in each format, and adapted.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../main.ts";
import { openClipFile } from "../models/clip/mod.ts";
import { adapt, readInputs } from "../models/nada/adapt.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import { inspectFile } from "../models/recognise.ts";
import { assertClose } from "./assert.ts";
import { DIMENSIONS } from "./commands/made_up_file.ts";
import { captured } from "./console.ts";
import { testGpu } from "./gpu.ts";
import { tinyResNetTensors, writeTiny } from "./models/clip/tiny.ts";
import { readLog, tensorsIn, tinyRun } from "./models/nada/tiny_run.ts";
import { madeUpTensors } from "./models/stylegan2/made_up.ts";
import {
  ALL_FORMS,
  GENERATORS,
  type ModelName,
  type Row,
  ROWS,
  type Sample,
} from "./readme_formats.ts";
import { temporaryFolder } from "./temporary.ts";

type Folder = ReturnType<typeof temporaryFolder>;
type Values = ReadonlyMap<string, ArrayLike<number>>;

/** A line of the table. */
interface Line {
  readonly kind: string;
  readonly file: string;
  readonly cells: Readonly<Record<"read" | "write" | "adapt", string>>;
}

/** The rows of the table under "Files"; a row without a kind has that of the row above. */
function tableOf(readme: string): Line[] {
  const [, section] = /^## Files\n([^]*?)^[^|\n]/m.exec(readme)!;
  const rows = section!.trim().split("\n").map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  assert.deepEqual(rows[0], ["", "file", "read", "write", "adapt"]);
  let kind = "";
  return rows.slice(2).map(([own, file, read, write, adapt]) => {
    kind = own || kind;
    return { kind, file: file!, cells: { read: read!, write: write!, adapt: adapt! } };
  });
}

const TABLE = tableOf(await Deno.readTextFile(new URL("../README.md", import.meta.url)));

Deno.test("The README's table of files has the rows that are tested, and all forms are in one", () => {
  const names = (rows: readonly Pick<Row, "kind" | "file">[]) =>
    rows.map(({ kind, file }) => `${kind}: ${file}`);
  assert.deepEqual(names(TABLE), names(ROWS));
  const forms = ROWS.flatMap(({ samples }) => samples.map(({ form }) => form));
  assert.deepEqual(ALL_FORMS.filter((name) => !forms.includes(name)), []);
});

for (const row of ROWS) {
  Deno.test(`The README is right about ${row.kind}: ${row.file}`, async () => {
    const { cells } = TABLE.find(({ kind, file }) => kind === row.kind && file === row.file)!;
    for (const sample of row.samples) {
      using folder = temporaryFolder();
      const path = await make(sample, folder);
      assert.ok(row.isOf(await inspectFile(path)), `${sample.name} is of another row`);
      await assertNumbers(path, sample.model);
      const write = await written(path, sample, row, folder);
      await assertAdapts(path, sample.model, folder);
      assert.deepEqual(cells, { read: "yes", write, adapt: "yes" }, sample.name);
    }
  });
}

/** Writes the sample's files; returns what is given to nada. */
async function make({ files, given }: Sample, folder: Folder): Promise<string> {
  const place = folder.file("sample");
  await Deno.mkdir(place);
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(join(place, name), bytes());
  }
  return join(place, given);
}

/** Asserts that nada reads the numbers that the model was made of. */
async function assertNumbers(path: string, model: ModelName): Promise<void> {
  const [numbers, expected] = [await numbersIn(path, model), await numbersOf(model)];
  assert.deepEqual([...numbers.keys()].sort(), [...expected.keys()].sort());
  for (const [name, values] of numbers) {
    // TensorFlow's code adds 1 to a bias that is stored without it.
    assertClose(values, expected.get(name)!, 1e-6, name);
  }
}

/** All numbers of a model in a file, by nada's own names. */
async function numbersIn(path: string, model: ModelName): Promise<Values> {
  const numbers = new Map<string, ArrayLike<number>>();
  const add = async (tensors: Iterable<readonly [string, { read(): Promise<Float32Array> }]>) => {
    for (const [name, tensor] of tensors) numbers.set(name, await tensor.read());
  };
  if (model in GENERATORS) {
    const { weights } = await loadGenerator(path);
    await add([...weights.parameters, ...weights.fixed]);
  } else {
    using clip = await openClipFile(path);
    await add([...clip.weights.image, ...clip.weights.text]);
  }
  return numbers;
}

const isGenerator = (model: ModelName): model is keyof typeof GENERATORS => model in GENERATORS;

/** The same, not from a file. */
async function numbersOf(model: ModelName): Promise<Values> {
  if (isGenerator(model)) {
    return new Map(
      GENERATORS[model].entries()
        .filter(([name]) => !/kernel$|^latent_avg$|w_avg$/.test(name))
        .map(([name, { data }]) => [name, data]),
    );
  }
  using folder = temporaryFolder();
  const tensors = model === "resnet" ? tinyResNetTensors() : undefined;
  return await numbersIn(await writeTiny(folder.file("clip.safetensors"), tensors), model);
}

/**
 * Writes the model in every format and looks whether one of them is of the row; returns what the
 * table says then.
 */
async function written(
  path: string,
  sample: Sample,
  { isOf }: Row,
  folder: Folder,
): Promise<string> {
  const stem = sample.given.replace(/\.\w+$/, "");
  const found: string[] = [];
  for (const name of [`${stem}.pt`, `${stem}.safetensors`, "folder"]) {
    const out = folder.file(name);
    const { result } = await captured(() => main(["convert", path, "--out", out, "--quiet"]));
    if (result !== 0) continue;
    await assertNumbers(out, sample.model);
    const copy = await inspectFile(out);
    if (isOf(copy)) found.push(copy.format);
  }
  const isClip = !isGenerator(sample.model);
  if (isClip && found.every((format) => format === "safetensors")) return "as safetensors";
  return found.length > 0 ? "yes" : "no";
}

/** The losses of each model's first adaptation: every other form of it must lead to the same. */
const LOSSES = new Map<ModelName, (number | null)[]>();

/** Asserts that two steps change what is trained, as they do for every form of the model. */
async function assertAdapts(path: string, model: ModelName, folder: Folder): Promise<void> {
  const tiny = await tinyRun(folder, madeUpTensors(DIMENSIONS, 3));
  const given = isGenerator(model) ? { generator: path } : { clips: [{ path, weight: 1 }] };
  const options = { ...tiny, ...given, steps: 2, sampleEvery: 0, sampleCount: 1 };
  const out = folder.file("run");
  const inputs = await readInputs(options);
  const { status } = await adapt(await testGpu(), out, inputs, {}, new AbortController().signal);
  assert.equal(status, "finished");

  const before = await numbersIn(options.generator, isGenerator(model) ? model : "stylegan2");
  const delta = await tensorsIn(`${out}/adapted.safetensors`);
  assert.ok(delta.size > 0);
  for (const [name, values] of delta) {
    assert.ok(values.every(Number.isFinite), name);
    assert.notDeepEqual(values, before.get(name), name);
  }
  const losses = readLog(`${out}/log.jsonl`).map(({ loss }) => loss);
  const expected = LOSSES.getOrInsert(model, losses);
  assertClose(losses as number[], expected as number[], 1e-4, "losses");
}
