import { CheckpointError } from "../errors.ts";

const MAX_LENGTH = 600;

/**
 * Why a file cannot be read: the rest of a sentence that begins `Cannot read "file": `. The parsers
 * know bytes only; `explained` puts the name of the file in front.
 */
class Refusal extends Error {
  override name = "Refusal";
}

export function refuse(reason: string, cause?: unknown): never {
  throw new Refusal(reason, { cause });
}

/** Runs `read`, adding where it was to a refusal within. */
export function placed<T>(place: () => string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(`${error.message} (${place()})`, { cause: error });
  }
}

/** Runs `read`, turning a refusal within into the CheckpointError `Cannot read ${what}: …`. */
export async function explained<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new CheckpointError(`Cannot read ${what}: ${printable(error.message)}`, { cause: error });
  }
}

/** Names from the file stand in the message: they shall neither flood nor steer a terminal. */
function printable(text: string): string {
  const short = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
  return short.replace(/\p{Cc}/gu, "\ufffd");
}
