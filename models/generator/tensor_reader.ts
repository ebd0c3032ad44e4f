/** Checked reading of the tensors of one generator in a file. */
import { CheckpointError } from "../../lib/errors.ts";
import { firstNonFinite } from "../../lib/finite.ts";
import { sameShape, type Shape } from "../../lib/graph/tensor.ts";
import type { HostTensor, SourceTensor, StoredTensor } from "./generator.ts";

/** Every method that does not find what it wants throws a CheckpointError. */
export class TensorReader {
  constructor(
    private readonly file: string,
    /** By their names in the layout. */
    readonly tensors: ReadonlyMap<string, SourceTensor>,
    /** The name as it stands in the file. */
    readonly fullName: (name: string) => string,
  ) {}

  refuse(reason: string): never {
    throw new CheckpointError(`Cannot load a generator from "${this.file}": ${reason}`);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** How many tensors have such names. */
  count(pattern: RegExp): number {
    return this.tensors.keys().filter((name) => pattern.test(name)).toArray().length;
  }

  /** One size of a tensor that has `rank` axes. */
  size(name: string, rank: number, axis: number): number {
    const { shape } = this.tensors.get(name) ?? this.refuse(`it lacks "${this.fullName(name)}"`);
    if (shape.length === rank) return shape[axis]!;
    this.refuse(`"${this.fullName(name)}" has shape [${shape}], ${rank} axes were expected`);
  }

  /** The tensor, if it has floats and the shape that is wanted; `needs` says by what. */
  check(name: string, wanted: Shape, needs: string): SourceTensor {
    const full = this.fullName(name);
    const tensor = this.tensors.get(name) ??
      this.refuse(`it lacks "${full}", of shape [${wanted}] in ${needs}`);
    if (tensor.dtype !== undefined && !/^b?f\d+$/.test(tensor.dtype)) {
      this.refuse(
        `"${full}" has elements of type ${tensor.dtype}; f32, f16, bf16 or f64 was expected`,
      );
    }
    if (sameShape(tensor.shape, wanted)) return tensor;
    this.refuse(`"${full}" has shape [${tensor.shape}], ${needs} needs [${wanted}]`);
  }

  /** All values, checked. */
  async read(name: string, wanted: Shape, needs: string): Promise<HostTensor> {
    const data = await this.check(name, wanted, needs).read();
    const bad = firstNonFinite(data);
    if (bad >= 0) {
      this.refuse(
        `"${this.fullName(name)}" holds ${
          data[bad]
        } at index ${bad}; the file is damaged or badly converted`,
      );
    }
    return { shape: wanted, data };
  }

  /** The tensor to be read later. */
  stored(name: string, wanted: Shape, needs: string): StoredTensor {
    this.check(name, wanted, needs);
    return { shape: wanted, read: async () => (await this.read(name, wanted, needs)).data };
  }

  storedAll(shapes: ReadonlyMap<string, Shape>, needs: string): Map<string, StoredTensor> {
    return new Map(
      shapes.entries().map(([name, shape]) => [name, this.stored(name, shape, needs)]),
    );
  }

  /** Refuses tensors of other names. */
  refuseOthers(known: Iterable<string>, needs: string): void {
    const names = new Set(known);
    const others = [...this.tensors.keys()].filter((name) => !names.has(name));
    if (others.length === 0) return;
    const { shape } = this.tensors.get(others[0]!)!;
    this.refuse(
      `it has "${this.fullName(others[0]!)}" of shape [${shape}]` +
        (others.length > 1 ? ` and ${others.length - 1} more tensors` : "") +
        `, which ${needs} has no place for`,
    );
  }
}
