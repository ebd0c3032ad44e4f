/** Files in memory that were used last, up to so many bytes; the same file is made once at a time. */

interface File {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
}

export class ByteCache {
  readonly #files = new Map<string, File>();
  readonly #making = new Map<string, Promise<File>>();
  bytes = 0;
  hits = 0;
  misses = 0;

  constructor(private readonly budgetBytes: number) {}

  async get(key: string, make: () => Promise<File>): Promise<File> {
    const known = this.#files.get(key);
    if (known) {
      this.hits++;
      this.#files.delete(key);
      this.#files.set(key, known);
      return known;
    }
    const making = this.#making.get(key);
    if (making) return await making;
    this.misses++;
    const promise = make();
    this.#making.set(key, promise);
    try {
      const file = await promise;
      this.#keep(key, file);
      return file;
    } finally {
      this.#making.delete(key);
    }
  }

  #keep(key: string, file: File): void {
    if (file.bytes.length > this.budgetBytes / 4) return; // it would drive out most of the others
    this.#files.set(key, file);
    this.bytes += file.bytes.length;
    for (const [oldest, { bytes }] of this.#files) {
      if (this.bytes <= this.budgetBytes) break;
      this.#files.delete(oldest);
      this.bytes -= bytes.length;
    }
  }
}
