/**
 * What a damaged byte does to a model. Where there are checksums, it is found. Where there are none,
 * it is found unless it makes a number of a tensor, in its own place, or a setting another one: names,
 * shapes, types and what belongs to which tensor stay as they are, or the file is refused.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Checkpoint, openCheckpoint, safetensorsParts } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { openClipFile } from "../../models/clip/mod.ts";
import { readGenerator } from "../../models/generator/mod.ts";
import { storedTensors } from "../../models/nada/stored_tensors.ts";
import { fixturePath, hasFixtures } from "../fixtures.ts";
import { foreignSafetensors } from "../lib/checkpoint/build_safetensors.ts";
import { legacyArchive, torchArchive } from "../lib/checkpoint/build_state_dict.ts";
import { concat } from "../lib/checkpoint/bytes.ts";
import { temporaryFolder } from "../temporary.ts";
import { tinyTensors } from "./clip/tiny.ts";
import { FORMS } from "./generator/forms.ts";
import { madeUp } from "./stylegan2/made_up_tensorflow.ts";

type Values = Map<string, Float32Array>;

/** All that a model is made of. */
interface Model {
  readonly architecture: object;
  readonly values: Values;
}

interface Subject {
  readonly name: string;
  readonly bytes: () => Uint8Array;
  readonly read: (checkpoint: Checkpoint) => Promise<Model>;
  readonly isChecked: boolean;
  readonly runs: number;
}

async function valuesOf(
  tensors: Iterable<[string, { read(): Promise<Float32Array> }]>,
): Promise<Values> {
  const values: Values = new Map();
  for (const [name, tensor] of tensors) values.set(name, await tensor.read());
  return values;
}

async function readAnyGenerator(checkpoint: Checkpoint): Promise<Model> {
  const weights = await readGenerator(checkpoint);
  return {
    architecture: weights.architecture,
    values: await valuesOf(storedTensors(weights)),
  };
}

async function readClip({ file }: Checkpoint): Promise<Model> {
  using clip = await openClipFile(file);
  const { image, text } = clip.weights;
  const values = await valuesOf([...image, ...text]);
  values.set("logit scale", Float32Array.of(await clip.logitScale()));
  return { architecture: clip.architecture, values };
}

const CLIP_FORMS = [
  ["safetensors", foreignSafetensors(tinyTensors()), false],
  ["nada's own safetensors", concat(...safetensorsParts(tinyTensors())), true],
  ["a .bin", torchArchive(asNumbers()), true],
  ["a .bin of before PyTorch 1.6", legacyArchive(asNumbers()), false],
] as const;

function asNumbers() {
  return new Map(
    tinyTensors().entries().map(([name, { shape, data }]) => [name, { shape, data: [...data] }]),
  );
}

const SUBJECTS: readonly Subject[] = [
  ...FORMS.map(({ name, make, isChecked = false }): Subject => ({
    name,
    bytes: () => make(madeUp()),
    read: readAnyGenerator,
    isChecked,
    runs: 150,
  })),
  ...CLIP_FORMS.map(([name, bytes, isChecked]): Subject => ({
    name: `CLIP in ${name}`,
    bytes: () => bytes,
    read: readClip,
    isChecked,
    runs: 40,
  })),
  // Written by Python itself, which recalls what it has written before.
  ...(hasFixtures ? ["sg2ada", "sg3t"] : []).map((name): Subject => ({
    name: `nvidia/${name}.pkl`,
    bytes: () => Deno.readFileSync(fixturePath(`nvidia/${name}.pkl`)),
    read: readAnyGenerator,
    isChecked: false,
    runs: 40,
  })),
];

/** The model in a file, and all tensors of the file; null where either is refused. */
async function readBoth(path: string, read: Subject["read"]) {
  try {
    using checkpoint = await openCheckpoint(path);
    return { model: await read(checkpoint), tensors: await valuesOf(checkpoint.tensors) };
  } catch (error) {
    assert.ok(error instanceof UserError, (error as Error).stack);
    return null;
  }
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

for (const { name, bytes, read, isChecked, runs } of SUBJECTS) {
  const outcome = isChecked ? "is found, or without effect" : "changes its own number at most";
  Deno.test(`A damaged byte of ${name} ${outcome}`, async () => {
    using folder = temporaryFolder();
    const path = folder.file("model");
    const good = bytes();
    await Deno.writeFile(path, good);
    const before = (await readBoth(path, read))!;
    const { limit: _, ...architecture } = before.model.architecture as { limit?: unknown };
    const anyByte = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(anyByte, async ([at, change]) => {
        const damaged = good.slice();
        damaged[at]! ^= change;
        await Deno.writeFile(path, damaged);
        const after = await readBoth(path, read);
        if (after === null) return;
        const { limit: _, ...found } = after.model.architecture as { limit?: unknown };
        assert.deepEqual(found, architecture);
        if (isChecked) return assert.deepEqual(after, before);
        // What a file holds beside its model may have been damaged as well.
        if (differences(before.model.values, after.model.values).length === 0) return;
        const changed = differences(before.tensors, after.tensors);
        assert.equal(changed.length, 1);
        const [{ name, index }] = changed as [{ name: string; index: number }];
        const [old, now] = [before.tensors.get(name)!, after.tensors.get(name)!];
        // Numbers of TensorFlow's that are no arrays are float64 in the file.
        if (old.length > 1) assertOwnByte(old[index]!, now[index]!, change);
      }),
      { seed: 11, numRuns: runs },
    );
  });
}
