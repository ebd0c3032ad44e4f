import { createHash } from "node:crypto";
import { RangeFile, readBytes } from "./range_file.ts";
import { explained } from "./refusal.ts";

const PIECE_BYTES = 4 * 2 ** 20;

/** The SHA-256 of a file in hexadecimal, reading it in pieces. Throws a CheckpointError. */
export function sha256File(path: string): Promise<string> {
  return explained(`"${path}"`, async () => {
    using file = await RangeFile.open(path);
    const hash = createHash("sha256");
    for (let at = 0; at < file.size; at += PIECE_BYTES) {
      hash.update(await readBytes(file, at, Math.min(PIECE_BYTES, file.size - at)));
    }
    return hash.digest("hex");
  });
}
