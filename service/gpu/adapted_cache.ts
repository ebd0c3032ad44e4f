/**
 * Adapted generators on the device. All adaptations of a base share its weights and its programs:
 * the programs read from one _slot_ of memory, and to draw with an adaptation means to copy the
 * tensors that it changes into the slot. What adaptations change is kept on the device as long as a
 * budget allows, those used last; the others are read from their files again.
 */
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { applyDelta, readDelta } from "../../models/nada/delta.ts";
import { type GeneratorFile, loadGenerator } from "../../models/nada/generator_file.ts";
import { changedTensors, storedTensors } from "../../models/nada/stored_tensors.ts";
import { fittingBatch } from "../../models/generator/batch.ts";
import {
  type DeviceGenerator,
  disposeGenerator,
  uploadGenerator,
} from "../../models/generator/device.ts";
import { Sampler } from "../../models/generator/sampler.ts";
import type { CacheStatus, SampleWork } from "./work.ts";

/** A base on the device. */
interface Base {
  readonly file: GeneratorFile;
  readonly original: DeviceGenerator;
  readonly slot: DeviceGenerator;
  /** Compiled for the slot, by batch and noise. */
  readonly samplers: Map<string, Sampler>;
  /** Tensors that the slot has from an adaptation, and its key. */
  inSlot: { readonly key: string; readonly names: readonly string[] };
}

/** What an adaptation changes, on the device. */
interface Adapted {
  readonly delta: string;
  readonly tensors: ReadonlyMap<string, DeviceTensor>;
  readonly bytes: number;
}

const UNCHANGED = { key: "", names: [] };

export class AdaptedCache {
  readonly #bases = new Map<string, Base>();
  /** The one used last is the last. */
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

  /**
   * A sampler for `count` images whose programs read the weights asked for, until the next call.
   * Throws a UserError for files that are no good.
   */
  async sampler(
    { base: path, adapted, noise }: Pick<SampleWork, "base" | "adapted" | "noise">,
    count: number,
  ): Promise<Sampler> {
    const base = await this.#base(path);
    await this.#fillSlot(base, adapted);
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

  /** Drops an adaptation. */
  forget(delta: string): void {
    for (const [key, adapted] of this.#adapted) if (adapted.delta === delta) this.#drop(key);
  }

  async #base(path: string): Promise<Base> {
    const known = this.#bases.get(path);
    if (known) return known;
    const file = await loadGenerator(path);
    const original = await uploadGenerator(this.gpu, file.weights);
    let slot: DeviceGenerator | undefined;
    try {
      slot = await uploadGenerator(this.gpu, file.weights);
    } finally {
      if (!slot) disposeGenerator(original);
    }
    const base: Base = { file, original, slot, samplers: new Map(), inSlot: UNCHANGED };
    this.#bases.set(path, base);
    return base;
  }

  async #fillSlot(base: Base, wanted: SampleWork["adapted"]): Promise<void> {
    const key = wanted ? `${wanted.strength} ${wanted.delta}` : UNCHANGED.key;
    const adapted = wanted ? await this.#load(base, key, wanted) : null;
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
    { delta: path, strength }: NonNullable<SampleWork["adapted"]>,
  ): Promise<Adapted> {
    const known = this.#adapted.get(key);
    if (known) {
      this.#hits++;
      this.#adapted.delete(key);
      this.#adapted.set(key, known);
      return known;
    }
    this.#misses++;
    const { weights } = base.file;
    const moved = applyDelta(weights, base.file, await readDelta(path), strength);
    const changed = await changedTensors(storedTensors(weights), storedTensors(moved));
    const bytes = changed.values().reduce((sum, { data }) => sum + data.byteLength, 0);
    while (this.#adapted.size > 0 && this.#bytes + bytes > this.budgetBytes) {
      this.#drop(this.#adapted.keys().next().value!);
      this.#evictions++;
    }
    const tensors = new Map<string, DeviceTensor>();
    try {
      await this.gpu.scoped(() => {
        for (const [name, { shape, data }] of changed) {
          tensors.set(name, new DeviceTensor(this.gpu, shape, name, data));
        }
        return Promise.resolve();
      });
    } catch (error) {
      tensors.forEach((tensor) => tensor.dispose());
      throw error;
    }
    const adapted = { delta: path, tensors, bytes };
    this.#adapted.set(key, adapted);
    this.#bytes += bytes;
    return adapted;
  }

  /** The slot holds copies: an adaptation can go even while it is drawn with. */
  #drop(key: string): void {
    const { tensors, bytes } = this.#adapted.get(key)!;
    tensors.forEach((tensor) => tensor.dispose());
    this.#adapted.delete(key);
    this.#bytes -= bytes;
  }
}
