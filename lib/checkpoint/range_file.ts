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

/** A regular file opened for reading. After it was closed, each read opens it for its own time. */
export class RangeFile implements ByteRange, Disposable {
  /** Reads share the position of the open file, so each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();
  #file: Deno.FsFile | null;

  private constructor(
    private readonly path: string,
    readonly size: number,
    private readonly changed: number | undefined,
    file: Deno.FsFile,
  ) {
    this.#file = file;
  }

  static async open(path: string): Promise<RangeFile> {
    let info: Deno.FileInfo;
    try {
      info = await Deno.stat(path);
      // Opening a pipe would wait for a writer, reading a device might never end.
      if (info.isFile) {
        const changed = info.mtime?.getTime();
        return new RangeFile(path, info.size, changed, await Deno.open(path));
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) refuse("there is no such file", error);
      if (error instanceof Error) refuse(error.message, error);
      throw error;
    }
    refuse(info.isDirectory ? "it is a folder; name a file in it" : "it is not a regular file");
  }

  readInto(offset: number, target: Uint8Array): Promise<void> {
    const read = this.#last.then(async () => {
      if (this.#file) return await this.#fill(this.#file, offset, target);
      using file = await this.#reopen();
      await this.#fill(file, offset, target);
    });
    this.#last = read.catch(() => {});
    return read;
  }

  async #reopen(): Promise<Deno.FsFile> {
    const file = await Deno.open(this.path).catch((error) => refuse(error.message, error));
    const { size, mtime } = await file.stat();
    if (size === this.size && mtime?.getTime() === this.changed) return file;
    file.close();
    refuse("it was changed since it was first read");
  }

  async #fill(file: Deno.FsFile, offset: number, target: Uint8Array): Promise<void> {
    await file.seek(offset, Deno.SeekMode.Start);
    for (let at = 0; at < target.length;) {
      const count = await file.read(target.subarray(at));
      if (count === null) {
        refuse(`it ends at byte ${offset + at}, while ${this.size} bytes were there when opened`);
      }
      at += count;
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }
}
