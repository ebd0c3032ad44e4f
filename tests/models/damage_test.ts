/**
 * What damage does to a model, in every form that the README lists. Where there are checksums, in the
 * file or beside it, it is found. Where there are none, a damaged byte is found unless it makes a number
 * of a tensor, in its own place, or a setting another one: names, shapes, types and what belongs to which
 * tensor stay as they are, or the file is refused.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "node:path";
import {
  type Checkpoint,
  openCheckpoint,
  sha256File,
  sidecarPath,
  sidecarText,
} from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { findWeights, openClipFile } from "../../models/clip/mod.ts";
import { readGenerator } from "../../models/generator/mod.ts";
import { storedTensors } from "../../models/nada/stored_tensors.ts";
import { fixturePath, hasFixtures } from "../fixtures.ts";
import { damage, damaged } from "../lib/checkpoint/damage.ts";
import { ROWS } from "../readme_formats.ts";
import { temporaryFolder } from "../temporary.ts";

type Values = Map<string, Float32Array>;

/** All that a model is made of, and what else its file holds. */
interface Contents {
  readonly architecture: object;
  readonly values: Values;
  /** All tensors of the file. */
  readonly tensors: Values;
  /** What a pickle keeps of its networks, an entry each. */
  readonly settings: readonly string[];
}

interface Subject {
  readonly name: string;
  /** What is in its folder, the weights first. */
  readonly files: Readonly<Record<string, () => Uint8Array<ArrayBuffer>>>;
  readonly given: string;
  readonly isClip: boolean;
  readonly isChecked: boolean;
}

const SAMPLES = ROWS.flatMap(({ kind, samples }) =>
  samples.map((sample) => ({ ...sample, isClip: kind === "CLIP" }))
);

/** Every form in the README's table, and two that Python itself wrote, which recalls what it wrote. */
const SUBJECTS: readonly Subject[] = [
  ...SAMPLES.filter(({ form }, i) => i === SAMPLES.findIndex((other) => other.form === form)),
  ...(hasFixtures ? ["sg2ada.pkl", "sg3t.pkl"] : []).map((given) => ({
    name: `nvidia/${given}`,
    files: { [given]: () => Deno.readFileSync(fixturePath(`nvidia/${given}`)) },
    given,
    isClip: false,
    isChecked: false,
  })),
];

async function valuesOf(
  tensors: Iterable<readonly [string, { read(): Promise<Float32Array> }]>,
): Promise<Values> {
  const values: Values = new Map();
  for (const [name, tensor] of tensors) values.set(name, await tensor.read());
  return values;
}

type Model = Pick<Contents, "architecture" | "values">;

async function readAnyGenerator(checkpoint: Checkpoint): Promise<Model> {
  const weights = await readGenerator(checkpoint);
  return {
    architecture: weights.architecture,
    values: await valuesOf(storedTensors(weights)),
  };
}

async function readClip({ file }: Checkpoint): Promise<Model> {
  using clip = await openClipFile(file);
  const values = await valuesOf([...clip.weights.image, ...clip.weights.text]);
  values.set("logit scale", Float32Array.of(await clip.logitScale()));
  return { architecture: clip.architecture, values };
}

/** All that is in a file or folder; null where any of it is refused. */
async function read(path: string, isClip: boolean): Promise<Contents | null> {
  try {
    using checkpoint = await openCheckpoint((await findWeights(path))!);
    const model = await (isClip ? readClip : readAnyGenerator)(checkpoint);
    const settings = [...checkpoint.modules].flatMap(([module, { attributes, kwargs }]) =>
      [...Object.entries(attributes), ...Object.entries(kwargs)]
        .map((entry) => JSON.stringify([module, ...entry]))
    );
    return { ...model, tensors: await valuesOf(checkpoint.tensors), settings };
  } catch (error) {
    assert.ok(error instanceof UserError, (error as Error).stack);
    return null;
  }
}

/** The subject's files in a folder, and what is given to nada. */
async function write({ files, given }: Subject, folder: string): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(join(folder, name), bytes());
  }
  return join(folder, given);
}

/** Every element that differs; the names must be the same. */
function differences(before: Values, after: Values): { name: string; index: number }[] {
  assert.deepEqual([...after.keys()], [...before.keys()]);
  return [...before].flatMap(([name, old]) => {
    const now = after.get(name)!;
    assert.equal(now.length, old.length, name);
    return [...old.keys()].filter((i) => !Object.is(old[i], now[i])).map((index) => ({
      name,
      index,
    }));
  });
}

/** Asserts that a float32 is another by exactly the bits of one of its bytes that were changed. */
function assertOwnByte(before: number, after: number, change: number): void {
  const [a, b] = new Uint32Array(Float32Array.of(before, after).buffer);
  const lanes = [0, 8, 16, 24].map((shift) => change << shift);
  assert.ok(lanes.includes(a! ^ b!), `${before} became ${after}`);
}

const byte = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }));

for (const subject of SUBJECTS) {
  const { name, files, isClip, isChecked } = subject;
  const outcome = isChecked ? "is found, or without effect" : "changes its own number at most";
  Deno.test(`A damaged byte of ${name} ${outcome}`, async () => {
    using folder = temporaryFolder();
    const path = await write(subject, folder.path);
    const before = (await read(path, isClip))!;
    const [[weights, bytes]] = Object.entries(files) as [[string, () => Uint8Array<ArrayBuffer>]];
    const good = bytes();
    await fc.assert(
      fc.asyncProperty(byte, async ([at, change]) => {
        const damaged = good.slice();
        damaged[at % good.length]! ^= change;
        await Deno.writeFile(folder.file(weights), damaged);
        const after = await read(path, isClip);
        if (after === null) return;
        if (isChecked) return assert.deepEqual(after, before);
        assert.equal(after.settings.length, before.settings.length);
        const set = after.settings.filter((entry, i) => entry !== before.settings[i]);
        if (set.length === 0) assert.deepEqual(after.architecture, before.architecture);
        const changed = differences(before.tensors, after.tensors);
        // It is a setting, a number, or nothing of interest.
        assert.ok(set.length + changed.length <= 1, `${set} ${JSON.stringify(changed)}`);
        for (const { name, index } of changed) {
          const [old, now] = [before.tensors.get(name)!, after.tensors.get(name)!];
          // Numbers of TensorFlow's that are no arrays are float64 in the file.
          if (old.length > 1) assertOwnByte(old[index]!, now[index]!, change);
        }
      }),
      { seed: 11, numRuns: isClip ? 25 : 60 },
    );
  });

  Deno.test(`Damage of any kind to ${name} with FILE.sha256 beside it is found, or without effect`, async () => {
    using folder = temporaryFolder();
    const path = await write(subject, folder.path);
    for (const file of Object.keys(files)) {
      const full = folder.file(file);
      await Deno.writeTextFile(sidecarPath(full), sidecarText(full, await sha256File(full)));
    }
    const before = (await read(path, isClip))!;
    const [weights, ...others] = Object.keys(files) as [string, ...string[]];
    const places = [weights, weights, ...others, sidecarPath(weights)];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), damage, async (file, damages) => {
        const good = await Deno.readFile(folder.file(file));
        const bad = damaged(good, damages);
        await Deno.writeFile(folder.file(file), bad);
        const after = await read(path, isClip);
        await Deno.writeFile(folder.file(file), good);
        if (after !== null) assert.deepEqual(after, before, file);
      }),
      { seed: 12, numRuns: 12 },
    );
  });
}
