import { Buffer } from "node:buffer";
import { PickleBytes } from "./pickle_values.ts";
import type { ByteRange } from "./range_file.ts";
import { refuse } from "./refusal.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Texts up to this length are names or settings; a longer one is embedded source, which no one needs. */
const MAX_TEXT_BYTES = 2 ** 14;
/** How much of a run of bytes is kept: the header of a tensor that is saved within the pickle. */
export const HEAD_BYTES = 2 ** 12;
/** More than any instruction takes but for runs of bytes and long texts, which are passed over. */
const AHEAD_BYTES = 2 ** 15;
const WINDOW_BYTES = 2 ** 17;

/**
 * Takes the arguments of a pickle's instructions from a file, from `start` on. Only a window of it
 * is in memory: `fill()` moves it, and has to be called before every instruction that `isLow`.
 */
export class PickleReader {
  #position: number;
  #window: Uint8Array = new Uint8Array();
  /** What windows on a file are read into, each over the one before. */
  #memory: Uint8Array | undefined;
  #view = new DataView(this.#window.buffer);
  /** Where the window begins. */
  #base: number;

  constructor(private readonly range: ByteRange, start = 0) {
    this.#position = this.#base = start;
  }

  /** All of `bytes` as the window, which never has to be moved. */
  static inMemory(bytes: Uint8Array): PickleReader {
    const reader = new PickleReader({ size: bytes.length, readInto: () => Promise.resolve() });
    reader.#setWindow(bytes, 0);
    return reader;
  }

  get position(): number {
    return this.#position;
  }

  /** Whether the next instruction may reach beyond the window. */
  get isLow(): boolean {
    const end = this.#base + this.#window.length;
    return end < this.range.size && end - this.#position < AHEAD_BYTES;
  }

  /** Moves the window to the position. */
  async fill(): Promise<void> {
    this.#memory ??= new Uint8Array(WINDOW_BYTES);
    const window = this.#memory.subarray(0, this.range.size - this.#position);
    await this.range.readInto(this.#position, window);
    this.#setWindow(window, this.#position);
  }

  #setWindow(bytes: Uint8Array, base: number): void {
    this.#window = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#base = base;
  }

  /** The next `count` bytes, at most `AHEAD_BYTES`; a view that holds until the window is moved. */
  take(count: number): Uint8Array {
    const start = this.#pass(count) - this.#base;
    return this.#window.subarray(start, start + count);
  }

  /** Goes on by `count` bytes; returns the position before. */
  #pass(count: number): number {
    const start = this.#position;
    if (count > this.range.size - start) {
      refuse(
        `its pickle is cut off: ${count} bytes are wanted, ${
          this.range.size - start
        } are there; fetch the file again`,
      );
    }
    this.#position += count;
    return start;
  }

  byte(): number {
    return this.unsigned(1);
  }

  /** A little-endian integer; of 8 bytes it is rounded above 2^53, where no length fits anyway. */
  unsigned(bytes: 1 | 2 | 4 | 8): number {
    const at = this.#pass(bytes) - this.#base;
    if (bytes === 1) return this.#view.getUint8(at);
    if (bytes === 2) return this.#view.getUint16(at, true);
    if (bytes === 4) return this.#view.getUint32(at, true);
    return Number(this.#view.getBigUint64(at, true));
  }

  /** Big-endian, unlike the rest of the format. */
  float64(): number {
    return this.#view.getFloat64(this.#pass(8) - this.#base);
  }

  /** A run of bytes, which stays where it is. */
  bytes(count: number): PickleBytes {
    const offset = this.#pass(count);
    const start = offset - this.#base;
    const head = this.#window.slice(start, start + Math.min(count, HEAD_BYTES));
    return new PickleBytes(count, head, offset);
  }

  /** A text, or, where it is a long one, the bytes of it. */
  text(byteCount: number): string | PickleBytes {
    if (byteCount > MAX_TEXT_BYTES) return this.bytes(byteCount);
    return this.#decode(byteCount);
  }

  #decode(byteCount: number): string {
    const bytes = this.take(byteCount);
    try {
      return utf8.decode(bytes);
    } catch (error) {
      refuse("its pickle has a text that is not UTF-8", error);
    }
  }

  /** Text of Python 2, of unknown encoding. */
  latin1(byteCount: number): string | PickleBytes {
    if (byteCount > MAX_TEXT_BYTES) return this.bytes(byteCount);
    return Buffer.from(this.take(byteCount)).toString("latin1");
  }

  /** The text up to the next line feed. */
  line(maxBytes: number): string {
    const start = this.#position - this.#base;
    const end = this.#window.subarray(start, start + maxBytes + 1).indexOf(0x0a);
    if (end < 0 && this.range.size - this.#position <= maxBytes) {
      refuse("its pickle is cut off within a name; fetch the file again");
    }
    if (end < 0) {
      refuse(`its pickle has a name of over ${maxBytes} bytes`);
    }
    const text = this.#decode(end);
    this.#position++;
    return text;
  }
}
