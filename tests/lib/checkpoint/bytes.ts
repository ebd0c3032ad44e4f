/** Small helpers to lay out binary files by hand. */
export type Bytes = Uint8Array<ArrayBuffer>;

export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Little-endian fields: `fields([2, 7], [4, 1])` is 7 in two bytes, then 1 in four. */
export function fields(...sized: [byteCount: number, value: number | bigint][]): Bytes {
  return concat(
    ...sized.map(([count, value]) =>
      Uint8Array.from({ length: count }, (_, i) => Number(BigInt(value) >> BigInt(8 * i) & 0xffn))
    ),
  );
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** The bytes in memory of any typed array. */
export function bytesOf(array: ArrayBufferView<ArrayBuffer>): Bytes {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** What `once` gives for each number below `count`. */
export function repeated(count: number, once: (i: number) => Bytes): Bytes {
  return concat(...Array.from({ length: count }, (_, i) => once(i)));
}
