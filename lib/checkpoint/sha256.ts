import { createHash } from "node:crypto";
import { type ByteRange, RangeFile } from "./range_file.ts";
import { explained } from "./refusal.ts";

const PIECE_BYTES = 2 ** 20;

/** The SHA-256 of a file in hexadecimal, reading it in pieces. Throws a CheckpointError. */
export function sha256File(path: string): Promise<string> {
  return explained(`"${path}"`, async () => {
    using file = await RangeFile.open(path);
    return await sha256Of(file);
  });
}

/** The same of what is open. */
export async function sha256Of(file: ByteRange): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    const part = piece.subarray(0, file.size - at);
    await file.readInto(at, part);
    hash.update(part);
  }
  return hash.digest("hex");
}
