/**
 * Gives the memory of an array back at once; it has no elements after that. The garbage collector,
 * which does not see how large arrays are, would let hundreds of MB gather.
 */
export function release({ buffer }: ArrayBufferView<ArrayBuffer>): void {
  buffer.transfer(0);
}
