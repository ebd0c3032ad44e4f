/** The part of a file that has come so far, and what says which file it is part of. */
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../files.ts";

/** FILE.part.json */
interface About {
  readonly url: string;
  /** For If-Range; null where the server gave nothing to go by, and then it cannot be gone on with. */
  readonly validator: string | null;
}

export class PartFile implements Disposable {
  #size: number;
  #validator: string | null;
  #closed = false;

  private constructor(
    readonly path: string,
    private readonly url: string,
    private readonly file: Deno.FsFile,
    { size, validator }: { size: number; validator: string | null },
  ) {
    this.#size = size;
    this.#validator = validator;
  }

  /**
   * Opens what is there of `target` from this address, else begins anew. Throws a UserError, also
   * where somebody else has it open.
   */
  static async open(target: string, url: string): Promise<PartFile> {
    const path = `${target}.part`;
    const file = await refusing(path, Deno.open(path, { read: true, write: true, create: true }));
    try {
      if (!await file.tryLock(true)) {
        throw new UserError(
          `Cannot download to "${target}": another download of it is under way; wait for its end`,
        );
      }
      const { size } = await file.stat();
      const about = await readAbout(path);
      const known = about?.url === url ? about.validator : null;
      const part = new PartFile(path, url, file, { size, validator: known });
      if (known === null) await part.clear();
      return part;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes that are there. */
  get size(): number {
    return this.#size;
  }

  get validator(): string | null {
    return this.#validator;
  }

  /** Begins again, with a file that is known by `validator`. */
  async restart(validator: string | null): Promise<void> {
    await this.clear();
    this.#validator = validator;
    const about: About = { url: this.url, validator };
    await writeFileAtomic(`${this.path}.json`, JSON.stringify(about));
  }

  /** Forgets what is there. */
  async clear(): Promise<void> {
    await refusing(this.path, this.file.truncate(0));
    this.#size = 0;
    this.#validator = null;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.file.seek(this.#size, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      at += await refusing(this.path, this.file.write(bytes.subarray(at)));
    }
    this.#size += bytes.length;
  }

  async sync(): Promise<void> {
    await refusing(this.path, this.file.sync());
  }

  /** Gives the file its name, and only then to others. */
  async moveTo(target: string): Promise<void> {
    await refusing(target, Deno.rename(this.path, target));
    this[Symbol.dispose]();
    await Deno.remove(`${this.path}.json`).catch(() => {}); // of no more use
  }

  async remove(): Promise<void> {
    this[Symbol.dispose]();
    await Deno.remove(this.path).catch(() => {}); // it may have gone
    await Deno.remove(`${this.path}.json`).catch(() => {});
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.file.close();
    this.#closed = true;
  }
}

async function readAbout(path: string): Promise<About | null> {
  try {
    const { url, validator } = JSON.parse(await Deno.readTextFile(`${path}.json`));
    return typeof url === "string" ? { url, validator } : null;
  } catch {
    return null; // not there, or damaged: begin anew
  }
}

async function refusing<T>(path: string, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(`Cannot write "${path}": ${(error as Error).message}`, { cause: error });
  }
}
