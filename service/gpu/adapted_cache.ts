/**
 * Adapted generators on the device. All adaptations of a base share its weights and its programs:
 * the programs read from one _slot_ of memory, and to draw with an adaptation means to copy the
 * tensors that it changes into the slot. What adaptations change is kept on the device as long as a
 * budget allows, those used last; the others are read from their files again. Of a base with classes
 * one is loaded, and another one changes its mapping network. Whoever has the turn on the device may
 * have anything dropped: it is all in files.
 */
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { findWeights } from "../../models/clip/mod.ts";
import { applyDeltas, readDelta } from "../../models/nada/delta.ts";
import { type GeneratorFile, loadGenerator } from "../../models/nada/generator_file.ts";
import { changedTensors, storedTensors } from "../../models/nada/stored_tensors.ts";
import { fittingBatch } from "../../models/generator/batch.ts";
import {
  type DeviceGenerator,
  disposeGenerator,
  estimateMeanW,
  uploadGenerator,
} from "../../models/generator/device.ts";
import { generatorOf, type GeneratorWeights, readGenerator } from "../../models/generator/mod.ts";
import { Sampler } from "../../models/generator/sampler.ts";
import type { Cache } from "./spare.ts";
import type { CacheStatus, LoadedModel, SampleWork } from "./work.ts";

/** A base on the device. */
interface Base {
  readonly file: GeneratorFile;
  readonly original: DeviceGenerator;
  readonly slot: DeviceGenerator;
  /** Compiled for the slot, by batch and noise. */
  readonly samplers: Map<string, Sampler>;
  /** Tensors that the slot has from an adaptation, and its key. */
  inSlot: { readonly key: string; readonly names: readonly string[] };
  usedAt: number;
}

/** What an adaptation changes, or another class, on the device. */
interface Adapted {
  readonly base: string;
  /** None for another class alone. */
  readonly deltas: readonly string[];
  readonly tensors: ReadonlyMap<string, DeviceTensor>;
  readonly bytes: number;
  usedAt: number;
}

/** The weights that are wanted. */
type Wanted = Pick<SampleWork, "base" | "classIndex" | "adapted">;

const UNCHANGED = { key: "", names: [] };

export class AdaptedCache implements Cache {
  /** Of both the one used last is the last. */
  readonly #bases = new Map<string, Base>();
  readonly #adapted = new Map<string, Adapted>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(private readonly gpu: Gpu, private readonly budgetBytes: number) {}

  get status(): CacheStatus {
    return {
      adaptations: this.#adapted.size,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  /** The bases. */
  get loaded(): LoadedModel[] {
    const now = performance.now();
    return this.#bases.entries().map(([path, { original, slot, usedAt }]) => ({
      kind: "generator" as const,
      path,
      bytes: bytesOf(original) + bytesOf(slot),
      adaptations: this.#adapted.values().filter(({ base }) => base === path).toArray().length,
      idleMs: now - usedAt,
    })).toArray();
  }

  /**
   * A sampler for `count` images whose programs read the weights asked for, until the next call.
   * Throws a UserError for files that are no good.
   */
  async sampler(
    { noise, ...wanted }: Wanted & Pick<SampleWork, "noise">,
    count: number,
  ): Promise<Sampler> {
    const base = await this.#base(wanted);
    await this.#fillSlot(base, wanted);
    const { architecture } = base.slot;
    const most = fittingBatch(architecture, this.gpu.limits.bindingBytes);
    // Powers of two: few programs, and less than half of a batch is drawn for nothing.
    const batch = Math.min(most, 2 ** Math.ceil(Math.log2(count)));
    const key = `${batch} ${noise}`;
    let sampler = base.samplers.get(key);
    if (!sampler) {
      sampler = await Sampler.create(this.gpu, base.slot, { batch, noise });
      base.samplers.set(key, sampler);
    }
    return sampler;
  }

  /** Drops an adaptation, and where there is none a base. */
  dropOldest(): boolean {
    const [adapted] = this.#adapted.keys();
    const [base] = this.#bases.keys();
    if (adapted !== undefined) this.#evict(adapted);
    else if (base !== undefined) this.#dropBase(base);
    return adapted !== undefined || base !== undefined;
  }

  dropUnused(since: number): void {
    for (const [key, { usedAt }] of this.#adapted) if (usedAt < since) this.#evict(key);
    for (const [path, { usedAt }] of this.#bases) if (usedAt < since) this.#dropBase(path);
  }

  /** Drops an adaptation. */
  forget(delta: string): void {
    for (const [key, { deltas }] of this.#adapted) if (deltas.includes(delta)) this.#drop(key);
  }

  async #base({ base: path, classIndex }: Wanted): Promise<Base> {
    const known = this.#bases.get(path);
    if (known) {
      known.usedAt = performance.now();
      this.#bases.delete(path);
      this.#bases.set(path, known);
      return known;
    }
    const file = await loadGenerator(path, classIndex);
    const original = await uploadGenerator(this.gpu, file.weights);
    let slot: DeviceGenerator | undefined;
    try {
      slot = await uploadGenerator(this.gpu, file.weights);
    } finally {
      if (!slot) disposeGenerator(original);
    }
    const usedAt = performance.now();
    const base: Base = { file, original, slot, samplers: new Map(), inSlot: UNCHANGED, usedAt };
    this.#bases.set(path, base);
    return base;
  }

  async #fillSlot(base: Base, { classIndex, adapted: changes, ...wanted }: Wanted): Promise<void> {
    const isBase = changes.length === 0 && classIndex === base.file.classIndex;
    const key = isBase ? UNCHANGED.key : JSON.stringify([wanted.base, classIndex, changes]);
    const adapted = isBase ? null : await this.#load(base, key, classIndex, changes);
    if (base.inSlot.key === key) return;
    const { original, slot } = base;
    const changed = adapted?.tensors ?? new Map<string, DeviceTensor>();
    const names = new Set([...base.inSlot.names, ...changed.keys()]);
    base.inSlot = { key: "between", names: [...names] };
    await this.gpu.copy([...names].map((name) => ({
      from: (changed.get(name) ?? original.tensors[name]!).range,
      to: slot.tensors[name]!.range,
    })));
    base.inSlot = { key, names: [...changed.keys()] };
  }

  async #load(
    base: Base,
    key: string,
    classIndex: number | null,
    changes: SampleWork["adapted"],
  ): Promise<Adapted> {
    const known = this.#adapted.get(key);
    if (known) {
      this.#hits++;
      known.usedAt = performance.now();
      this.#adapted.delete(key);
      this.#adapted.set(key, known);
      return known;
    }
    this.#misses++;
    const { weights } = base.file;
    const ofClass = await weightsOfClass(base.file, classIndex);
    const shares = await Promise.all(
      changes.map(async ({ delta, strength }) => ({ delta: await readDelta(delta), strength })),
    );
    const moved = applyDeltas(ofClass, { ...base.file, classIndex }, shares);
    const changed = await changedTensors(storedTensors(weights), storedTensors(moved));
    const bytes = changed.values().reduce((sum, { data }) => sum + data.byteLength, 0);
    while (this.#adapted.size > 0 && this.#bytes + bytes > this.budgetBytes) {
      this.#evict(this.#adapted.keys().next().value!);
    }
    const tensors = new Map<string, DeviceTensor>();
    try {
      await this.gpu.scoped(() => {
        for (const [name, { shape, data }] of changed) {
          tensors.set(name, new DeviceTensor(this.gpu, shape, name, data));
        }
        return Promise.resolve();
      });
      const { architecture, latentAvg } = weights;
      if (!latentAvg && mappingNames(weights).some((name) => tensors.has(name))) {
        const moved = { ...base.original.tensors, ...Object.fromEntries(tensors) };
        const mean = await estimateMeanW(this.gpu, { architecture, tensors: moved });
        tensors.set(MEAN, new DeviceTensor(this.gpu, [architecture.wSize], MEAN, mean));
      }
    } catch (error) {
      tensors.forEach((tensor) => tensor.dispose());
      throw error;
    }
    const adapted = {
      base: base.file.file,
      deltas: changes.map(({ delta }) => delta),
      tensors,
      bytes,
      usedAt: performance.now(),
    };
    this.#adapted.set(key, adapted);
    this.#bytes += bytes;
    return adapted;
  }

  #dropBase(path: string): void {
    const { original, slot, samplers } = this.#bases.get(path)!;
    samplers.forEach((sampler) => sampler.dispose());
    [original, slot].forEach(disposeGenerator);
    this.#bases.delete(path);
  }

  #evict(key: string): void {
    this.#drop(key);
    this.#evictions++;
  }

  /** The slot holds copies: an adaptation can go even while it is drawn with. */
  #drop(key: string): void {
    const { tensors, bytes } = this.#adapted.get(key)!;
    tensors.forEach((tensor) => tensor.dispose());
    this.#adapted.delete(key);
    this.#bytes -= bytes;
  }
}

const bytesOf = ({ tensors }: DeviceGenerator) =>
  Object.values(tensors).reduce((sum, { range }) => sum + range.bytes, 0);

/** The name of the mean w on the device. */
const MEAN = "latent_avg";

function mappingNames({ architecture }: GeneratorWeights): readonly string[] {
  const { layers, mappingLayer } = generatorOf(architecture);
  return layers.get(mappingLayer)!;
}

/** The weights for a class. Tensors that it does not decide are the same objects. */
async function weightsOfClass(
  { file, weights, classIndex: own }: GeneratorFile,
  classIndex: number | null,
): Promise<GeneratorWeights> {
  if (classIndex === own) return weights;
  using checkpoint = await openCheckpoint(await findWeights(file) ?? file);
  const other = await readGenerator(checkpoint, classIndex);
  const mapping = mappingNames(weights).map((name) => [name, other.parameters.get(name)!] as const);
  return { ...weights, parameters: new Map([...weights.parameters, ...mapping]) };
}
