/** Damage to files, for property tests. */
import fc from "fast-check";
import { type Bytes, concat } from "./bytes.ts";

/** Runs of bytes put in place of others, also of another length. */
export const damage = fc.array(
  fc.record({
    at: fc.nat(),
    remove: fc.nat(12),
    insert: fc.uint8Array({ maxLength: 12 }),
  }),
  { minLength: 1, maxLength: 4 },
);

export function damaged(
  bytes: Bytes,
  damages: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): Bytes {
  return damages.reduce((from, { at, remove, insert }) => {
    const start = at % from.length;
    return concat(from.subarray(0, start), insert, from.subarray(start + remove));
  }, bytes);
}
