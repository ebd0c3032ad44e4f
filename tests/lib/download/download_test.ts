import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  download,
  type DownloadOptions,
  type DownloadRequest,
} from "../../../lib/download/download.ts";
import { PartFile } from "../../../lib/download/part_file.ts";
import { UserError } from "../../../lib/errors.ts";
import { seededRandom } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { type Answer, type Asked, broken, faultyServer, proper } from "./faulty_server.ts";

const random = seededRandom(3);
const CONTENT = Uint8Array.from({ length: 100_000 }, () => 256 * random());
const OTHER = CONTENT.map((byte) => byte ^ 1);
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const TAG = '"one"';

type Tried = Partial<Omit<DownloadRequest, "url" | "path">>;

/** Downloads from a server that answers so, and says what is in the folder afterwards. */
async function tried(
  answer: (asked: Asked, before: number) => Answer,
  request: Tried = {},
  options: DownloadOptions = {},
) {
  await using server = faultyServer(answer);
  using folder = temporaryFolder();
  const path = folder.file("model.pt");
  const whole = { url: `${server.origin}/m`, path, sha256: SHA256, sizeBytes: CONTENT.length };
  const result = await download({ ...whole, ...request }, { delayMs: 1, ...options })
    .catch((error: Error) => error);
  const left = new Map(
    [...Deno.readDirSync(folder.path)].map((
      { name },
    ) => [name, Deno.readFileSync(folder.file(name))]),
  );
  return { result, left, asked: server.asked };
}

/** For the whole file, whose size nobody has said. */
function requestTo(
  { origin }: { origin: string },
  folder: { file(name: string): string },
): DownloadRequest {
  return { url: `${origin}/m`, path: folder.file("model.pt"), sha256: SHA256, sizeBytes: null };
}

function assertWhole({ result, left }: Awaited<ReturnType<typeof tried>>): void {
  assert.deepEqual(result, { sha256: SHA256, sizeBytes: CONTENT.length });
  assert.deepEqual([...left.keys()], ["model.pt"]);
  assert.deepEqual(left.get("model.pt"), CONTENT);
}

function assertRefused({ result }: Awaited<ReturnType<typeof tried>>, message: RegExp): void {
  assert.ok(result instanceof UserError, String(result));
  assert.match(result.message, message);
}

Deno.test("download() brings a file, and says how far it is", async () => {
  const steps: [number, number | null][] = [];
  const once = await tried((asked) => proper(CONTENT, TAG, asked), {}, {
    onProgress: (done, total) => steps.push([done, total]),
  });
  assertWhole(once);
  assert.equal(once.asked.length, 1);
  assert.equal(once.asked[0]!.headers.get("accept-encoding"), "identity");
  assert.deepEqual(steps[0], [0, CONTENT.length]);
  assert.deepEqual(steps.at(-1), [CONTENT.length, CONTENT.length]);
  assertWhole(
    await tried((asked) => proper(CONTENT, TAG, asked), { sha256: null, sizeBytes: null }),
  );
  assertWhole(await tried(() => ({ status: 200, body: CONTENT }), { sizeBytes: null }));
});

Deno.test("download() goes on where the connection broke", async () => {
  const reasons: string[] = [];
  const run = await tried(
    (asked, before) => {
      const answer = proper(CONTENT, TAG, asked);
      return before < 3 ? broken(answer, 20_000) : answer;
    },
    {},
    { onRetry: (reason) => reasons.push(reason), attempts: 2 },
  );
  assertWhole(run);
  assert.deepEqual(
    run.asked.map(({ headers }) => [headers.get("range"), headers.get("if-range")]),
    [[null, null], ...[20_000, 40_000, 60_000].map((at) => [`bytes=${at}-`, TAG])],
  );
  assert.match(reasons[0]!, /broke after 20000 bytes/);
});

Deno.test("download() goes on later where it was given up before", async () => {
  await using server = faultyServer((asked, before) => {
    const answer = proper(CONTENT, TAG, asked);
    return before === 0 ? broken(answer, 30_000) : before < 3 ? { status: 503 } : answer;
  });
  using folder = temporaryFolder();
  const request = requestTo(server, folder);
  await assert.rejects(download(request, { delayMs: 1, attempts: 3 }), /answers 503, 3 times/);
  assert.deepEqual(
    [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(),
    ["model.pt.part", "model.pt.part.json"],
  );
  assert.deepEqual(await download(request), { sha256: SHA256, sizeBytes: CONTENT.length });
  assert.equal(server.asked.at(-1)!.headers.get("range"), "bytes=30000-");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["model.pt"]);
});

Deno.test("download() asks anew where the file has changed, and mixes nothing", async () => {
  const changed = await tried((asked, before) =>
    before === 0 ? broken(proper(OTHER, '"old"', asked), 50_000) : proper(CONTENT, TAG, asked)
  );
  assertWhole(changed);
  assert.equal(changed.asked.length, 2);
  // Without a tag or a date nobody can say whether it is the same.
  const unnamed = (_: Asked, before: number): Answer => {
    const body = before === 0 ? CONTENT.subarray(0, 50_000) : CONTENT;
    return { status: 200, headers: { "content-length": String(CONTENT.length) }, body };
  };
  const run = await tried(unnamed);
  assertWhole(run);
  assert.equal(run.asked[1]!.headers.get("range"), null);
  const weak = await tried((asked, before) => {
    const answer = proper(CONTENT, 'W/"one"', asked);
    return before === 0 ? broken(answer, 50_000) : answer;
  });
  assertWhole(weak);
  assert.equal(weak.asked[1]!.headers.get("range"), null);
});

Deno.test("download() takes no other part than the one that it asked for", async () => {
  const shifted = await tried((asked, before) => {
    const answer = proper(CONTENT, TAG, asked);
    if (before === 0) return broken(answer, 40_000);
    if (before > 1) return answer;
    const headers = { "content-range": `bytes 100-${CONTENT.length - 1}/${CONTENT.length}` };
    return { status: 206, headers, body: CONTENT.subarray(100) };
  });
  assertWhole(shifted);
  assert.equal(shifted.asked[2]!.headers.get("range"), null);
});

Deno.test("download() believes no wrong length", async () => {
  // More is announced than comes: kept, and given up in the end.
  const short = await tried(
    (asked) => {
      const answer = proper(CONTENT.subarray(0, 60_000), TAG, asked);
      return asked.headers.has("range")
        ? { status: 416, headers: { "content-range": "bytes */70000" } }
        : { ...answer, headers: { ...answer.headers, "content-length": "70000" } };
    },
    { sizeBytes: null },
    { attempts: 3 },
  );
  assertRefused(short, /3 times in a row; what has come is kept/);
  // Less is announced: what comes behind is not taken, and the checksum tells.
  const long = await tried(
    () => ({ status: 200, headers: { "content-length": "5000" }, body: CONTENT }),
    { sizeBytes: null },
  );
  assertRefused(long, /has the sha256 \w{64}, \w{64} was expected; it is removed/);
  assert.deepEqual([...long.left.keys()], []);
  const other = await tried((asked) => proper(CONTENT, TAG, asked), { sizeBytes: 99 });
  assertRefused(other, /has 100000 bytes, 99 were expected; it is another file by now/);
});

Deno.test("download() keeps nothing of a file with another checksum", async () => {
  const run = await tried((asked) => proper(OTHER, TAG, asked));
  assertRefused(run, /has the sha256/);
  assert.deepEqual([...run.left.keys()], []);
  assert.equal(run.asked.length, 1);
});

Deno.test("download() waits where it is asked to, and tries again where that may help", async () => {
  const delays: number[] = [];
  let last = performance.now();
  const run = await tried(
    (asked, before) => {
      delays.push(performance.now() - last);
      last = performance.now();
      if (before === 0) return { status: 429, headers: { "retry-after": "0.2" } };
      if (before < 4) return { status: [500, 502, 408][before - 1]! };
      return proper(CONTENT, TAG, asked);
    },
  );
  assertWhole(run);
  assert.ok(delays[1]! >= 190, `${delays[1]} ms`);
  const never = await tried(() => ({ status: 500 }), {}, { attempts: 2 });
  assertRefused(never, /the server answers 500, 2 times in a row/);
});

Deno.test("download() does not ask twice what is refused for good", async () => {
  for (
    const [status, reason] of [[404, "there is no such file"], [403, "HF_TOKEN"], [
      400,
      "another address",
    ]] as const
  ) {
    const run = await tried(() => ({ status }));
    assertRefused(run, new RegExp(`the server answers ${status}.*${reason}`));
    assert.equal(run.asked.length, 1);
    assert.deepEqual([...run.left.keys()], []);
  }
  await assert.rejects(
    download({ url: "file:///etc/passwd", path: "x", sha256: null, sizeBytes: null }),
    /no address that begins with https:/,
  );
});

Deno.test("download() follows redirects, and takes its token to no other host", async () => {
  await using other = faultyServer((asked) => proper(CONTENT, TAG, asked));
  const run = await tried((_, before) => {
    const location = before === 0 ? "/again" : `${other.origin}/file`;
    return { status: 302, headers: { location } };
  }, { headers: { authorization: "Bearer secret" } });
  assertWhole(run);
  assert.deepEqual(run.asked.map(({ path }) => path), ["/m", "/again"]);
  assert.equal(run.asked[1]!.headers.get("authorization"), "Bearer secret");
  assert.equal(other.asked[0]!.headers.get("authorization"), null);
  const round = await tried(() => ({ status: 302, headers: { location: "/m" } }), {}, {
    attempts: 2,
  });
  assertRefused(round, /2 times in a row/);
});

Deno.test("download() leaves a file alone that somebody else is downloading", async () => {
  await using server = faultyServer((asked) => proper(CONTENT, TAG, asked));
  using folder = temporaryFolder();
  const request = requestTo(server, folder);
  {
    using _ = await PartFile.open(request.path, request.url);
    await assert.rejects(download(request), /another download of it is under way/);
  }
  assert.equal(server.asked.length, 0);
  await download(request);
});

Deno.test("download() takes what is there already for whole where the server says so", async () => {
  await using server = faultyServer((asked) => proper(CONTENT, TAG, asked));
  using folder = temporaryFolder();
  const path = folder.file("model.pt");
  const url = `${server.origin}/m`;
  await Deno.writeFile(`${path}.part`, CONTENT);
  await Deno.writeTextFile(`${path}.part.json`, JSON.stringify({ url, validator: TAG }));
  await download({ url, path, sha256: SHA256, sizeBytes: null });
  assert.deepEqual(server.asked.map(({ headers }) => headers.get("range")), ["bytes=100000-"]);
  // What belongs to another address is no part of it.
  await Deno.writeFile(`${path}.part`, OTHER.subarray(0, 100));
  await Deno.writeTextFile(`${path}.part.json`, JSON.stringify({ url: "x", validator: TAG }));
  await download({ url, path, sha256: SHA256, sizeBytes: null });
  assert.equal(server.asked[1]!.headers.get("range"), null);
});
