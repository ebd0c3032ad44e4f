import { Buffer } from "node:buffer";
import { refuse } from "./refusal.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Takes the arguments of a pickle's instructions from its bytes, from the first on. */
export class PickleReader {
  position = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next `count` bytes, without a copy. */
  take(count: number): Uint8Array {
    const start = this.position;
    if (count > this.bytes.length - start) {
      refuse(`its pickle is cut off: ${count} bytes are wanted at byte ${start}`);
    }
    this.position += count;
    return this.bytes.subarray(start, this.position);
  }

  byte(): number {
    return this.unsigned(1);
  }

  /** A little-endian integer; of 8 bytes it is rounded above 2^53, where no length fits anyway. */
  unsigned(bytes: 1 | 2 | 4 | 8): number {
    const at = this.position;
    this.take(bytes);
    if (bytes === 1) return this.#view.getUint8(at);
    if (bytes === 2) return this.#view.getUint16(at, true);
    if (bytes === 4) return this.#view.getUint32(at, true);
    return Number(this.#view.getBigUint64(at, true));
  }

  /** Big-endian, unlike the rest of the format. */
  float64(): number {
    const at = this.position;
    this.take(8);
    return this.#view.getFloat64(at);
  }

  text(byteCount: number): string {
    const bytes = this.take(byteCount);
    try {
      return utf8.decode(bytes);
    } catch (error) {
      refuse(`its pickle has a text before byte ${this.position} that is not UTF-8`, error);
    }
  }

  /** Text of Python 2, of unknown encoding. */
  latin1(byteCount: number): string {
    return Buffer.from(this.take(byteCount)).toString("latin1");
  }

  /** The text up to the next line feed. */
  line(maxBytes: number): string {
    const end = this.bytes.subarray(0, this.position + maxBytes + 1).indexOf(0x0a, this.position);
    if (end < 0) refuse(`its pickle has a name of over ${maxBytes} bytes at byte ${this.position}`);
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }
}
