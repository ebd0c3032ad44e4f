import { refuse } from "./refusal.ts";

/** Bytes that are read piece by piece: a file, a part of it, or memory. Offsets start at 0. */
export interface ByteRange {
  readonly size: number;
  /** Fills `target` with the bytes from `offset` on, all of which must be inside the range. */
  readInto(offset: number, target: Uint8Array): Promise<void>;
}

/** The `length` bytes from `offset` on, in memory of their own. */
export async function readBytes(
  range: ByteRange,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  await range.readInto(offset, bytes);
  return bytes;
}

/** A window on `range`. */
export function part(range: ByteRange, start: number, size: number): ByteRange {
  return { size, readInto: (offset, target) => range.readInto(start + offset, target) };
}

export function inMemory(bytes: Uint8Array): ByteRange {
  return {
    size: bytes.length,
    readInto(offset, target) {
      target.set(bytes.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
  };
}

/** A regular file opened for reading. */
export class RangeFile implements ByteRange, Disposable {
  /** Reads share the position of the open file, so each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(readonly size: number, private readonly file: Deno.FsFile) {}

  static async open(path: string): Promise<RangeFile> {
    let info: Deno.FileInfo;
    try {
      info = await Deno.stat(path);
      // Opening a pipe would wait for a writer, reading a device might never end.
      if (info.isFile) return new RangeFile(info.size, await Deno.open(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) refuse("there is no such file", error);
      if (error instanceof Error) refuse(error.message, error);
      throw error;
    }
    refuse(info.isDirectory ? "it is a folder; name a file in it" : "it is not a regular file");
  }

  readInto(offset: number, target: Uint8Array): Promise<void> {
    const read = this.#last.then(() => this.#fill(offset, target));
    this.#last = read.catch(() => {});
    return read;
  }

  async #fill(offset: number, target: Uint8Array): Promise<void> {
    await this.file.seek(offset, Deno.SeekMode.Start);
    for (let at = 0; at < target.length;) {
      const count = await this.file.read(target.subarray(at));
      if (count === null) {
        refuse(`it ends at byte ${offset + at}, while ${this.size} bytes were there when opened`);
      }
      at += count;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.file.close();
    this.#closed = true;
  }
}
