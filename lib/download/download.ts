/**
 * Files from the net, all of one or nothing: what has come is kept beside the target as FILE.part and
 * gone on with where the server still has the same file, checked, and only then given its name.
 */
import { sha256File } from "../checkpoint/mod.ts";
import { UserError } from "../errors.ts";
import { asksToWait, isFinal, refusal } from "./answers.ts";
import { PartFile } from "./part_file.ts";

export interface DownloadRequest {
  readonly url: string;
  /** Where the file goes; its folder has to be there. */
  readonly path: string;
  /** What the file must have; null where nobody has said it. */
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
  /** Sent along, such as a token; not to another host that a redirect names. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DownloadOptions {
  /** Told how many bytes are there, and how many there will be; null where that is not known. */
  readonly onProgress?: (done: number, total: number | null) => void;
  /** Told why it goes on anew. */
  readonly onRetry?: (reason: string) => void;
  /** Tries in a row that bring no byte, before it is given up. */
  readonly attempts?: number;
  /** Milliseconds before the second try; each next one waits twice as long. */
  readonly delayMs?: number;
}

export interface Downloaded {
  readonly sha256: string;
  readonly sizeBytes: number;
}

const ATTEMPTS = 5;
const DELAY_MS = 1000;
const MAX_DELAY_MS = 60_000;

/**
 * Downloads a file. Throws a UserError where the server refuses or keeps breaking off, and where what
 * came is not what it should be; in the last case nothing of it is kept.
 */
export async function download(
  request: DownloadRequest,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  checkUrl(request.url);
  using part = await PartFile.open(request.path, request.url);
  try {
    await fetchAll(request, part, options);
  } catch (error) {
    if (part.size === 0) await part.remove();
    throw error;
  }
  return await finish(request, part);
}

/** Tries until all of it is there. */
async function fetchAll(
  request: DownloadRequest,
  part: PartFile,
  { onProgress, onRetry, attempts = ATTEMPTS, delayMs = DELAY_MS }: DownloadOptions,
): Promise<void> {
  let [failures, furthest] = [0, part.size];
  for (;;) {
    try {
      return await fetchRest(request, part, onProgress);
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      // What was had before and thrown away counts for nothing, or it might never end.
      failures = part.size > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, part.size);
      if (failures >= attempts) {
        throw new UserError(
          `Cannot download "${request.url}": ${error.message}, ${attempts} times in a row; what ` +
            `has come is kept, try again later to go on with it`,
          { cause: error },
        );
      }
      onRetry?.(error.message);
      const wait = error.waitMs ?? delayMs * 2 ** (failures - 1);
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait, MAX_DELAY_MS)));
    }
  }
}

/** Something that may go better the next time. */
class Interruption extends Error {
  constructor(reason: string, readonly waitMs: number | null = null, cause?: unknown) {
    super(reason, { cause });
  }
}

/** Only the web, and where it was asked for, its secure form to the end. */
function checkUrl(url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  throw new UserError(`Cannot download "${url}": it is no address that begins with https://`);
}

/** One request for all that is missing. */
async function fetchRest(
  { url, sizeBytes, headers = {} }: DownloadRequest,
  part: PartFile,
  onProgress: DownloadOptions["onProgress"],
): Promise<void> {
  const start = part.validator === null ? 0 : part.size;
  const response = await send(url, {
    ...headers,
    // Compressed, a range would not be one of the file.
    "accept-encoding": "identity",
    ...start > 0 && { range: `bytes=${start}-`, "if-range": part.validator! },
  });
  try {
    if (new URL(url).protocol === "https:" && new URL(response.url).protocol !== "https:") {
      throw new UserError(
        `Cannot download "${url}": it leads to "${response.url}", which is not secure; use another ` +
          `address`,
      );
    }
    const total = await beginAt(start, response, part);
    if (sizeBytes !== null && total !== null && total !== sizeBytes) {
      await part.clear();
      throw new UserError(
        `Cannot download "${url}": the server has ${total} bytes, ${sizeBytes} were expected; it ` +
          `is another file by now`,
      );
    }
    await receive(response, part, total ?? sizeBytes, onProgress);
  } finally {
    await response.body?.cancel().catch(() => {}); // it may have been read to its end, or broken
  }
}

async function send(url: string, headers: Record<string, string>): Promise<Response> {
  try {
    return await fetch(url, { headers });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Interruption(
      `the server cannot be reached (${(error as Error).message})`,
      null,
      error,
    );
  }
}

/** Puts the part where the answer begins; returns the size of the whole, null if it is not told. */
async function beginAt(start: number, response: Response, part: PartFile): Promise<number | null> {
  const { status, headers } = response;
  if (status === 206) {
    const [, from, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ??
      [];
    if (Number(from) === start) return size === "*" ? null : Number(size);
    await part.clear();
    throw new Interruption(`the server sent another part (${headers.get("content-range")})`);
  }
  if (status === 416) {
    // There is nothing from here on: the part is all of it, or of another file.
    const [, size] = /^bytes \*\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
    if (start > 0 && Number(size) === start) return start;
    await part.clear();
    throw new Interruption("the server has no such part of the file");
  }
  if (status === 200) {
    await part.restart(validatorOf(headers));
    const length = headers.get("content-length");
    return length === null ? null : Number(length);
  }
  const reason = `the server answers ${status}`;
  if (isFinal(status)) throw new UserError(refusal(response));
  throw new Interruption(reason, asksToWait(headers));
}

/** What says later whether the file is still the same: a strong tag, or a date. */
function validatorOf(headers: Headers): string | null {
  const tag = headers.get("etag");
  if (tag !== null) return tag.startsWith("W/") ? null : tag;
  return headers.get("last-modified");
}

async function receive(
  { body }: Response,
  part: PartFile,
  total: number | null,
  onProgress: DownloadOptions["onProgress"],
): Promise<void> {
  onProgress?.(part.size, total);
  try {
    // What is complete already has no body to be read.
    for await (const piece of total === part.size ? [] : body ?? []) {
      await part.append(piece);
      onProgress?.(part.size, total);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new Interruption(`the connection broke after ${part.size} bytes`, null, error);
  }
  if (total !== null && part.size < total) {
    throw new Interruption(`the server ended after ${part.size} of ${total} bytes`);
  }
  if (total !== null && part.size > total) {
    const { size } = part;
    await part.clear();
    throw new Interruption(`the server sent ${size} bytes in place of ${total}`);
  }
}

/** Checks what has come, and gives it its name. */
async function finish(
  { url, path, sha256, sizeBytes }: DownloadRequest,
  part: PartFile,
): Promise<Downloaded> {
  await part.sync();
  const found = await sha256File(part.path);
  const size = part.size;
  const wrong = sizeBytes !== null && size !== sizeBytes
    ? `has ${size} bytes, ${sizeBytes} were expected`
    : sha256 !== null && found !== sha256.toLowerCase()
    ? `has the sha256 ${found}, ${sha256} was expected`
    : null;
  if (wrong !== null) {
    await part.remove();
    throw new UserError(
      `Cannot use what came from "${url}": it ${wrong}; it is removed; try again, or look for ` +
        `another source`,
    );
  }
  await part.moveTo(path);
  return { sha256: found, sizeBytes: size };
}
