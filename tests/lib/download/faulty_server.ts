/** A web server of raw sockets, which can do all that a proper one would not. */

export interface Asked {
  readonly path: string;
  readonly headers: Headers;
}

/** What is sent word for word; the connection is closed behind it. */
export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

export interface FaultyServer extends AsyncDisposable {
  readonly origin: string;
  /** What it was asked for, in order. */
  readonly asked: Asked[];
}

/** Answers each request as `answer` says, given how many there were before. */
export function faultyServer(answer: (asked: Asked, before: number) => Answer): FaultyServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: Asked[] = [];
  const serve = async (connection: Deno.Conn) => {
    try {
      const request = await readRequest(connection);
      asked.push(request);
      const { status, headers = {}, body = "" } = answer(request, asked.length - 1);
      const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const head = `HTTP/1.1 ${status} X\r\nconnection: close\r\n${fields.join("")}\r\n`;
      await writeAll(connection, new TextEncoder().encode(head));
      await writeAll(connection, typeof body === "string" ? new TextEncoder().encode(body) : body);
    } catch (error) {
      // The other side may hang up at any time.
      if (
        !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
      ) {
        throw error;
      }
    } finally {
      connection.close();
    }
  };
  const running = (async () => {
    const connections: Promise<void>[] = [];
    for await (const connection of listener) connections.push(serve(connection));
    await Promise.all(connections);
  })();
  const { port } = listener.addr as Deno.NetAddr;
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      await running;
    },
  };
}

async function readRequest(connection: Deno.Conn): Promise<Asked> {
  const bytes = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const count = await connection.read(bytes);
    if (count === null) break;
    text += new TextDecoder().decode(bytes.subarray(0, count));
  }
  const [first = "", ...lines] = text.split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = /^([\w-]+): (.*)$/.exec(line) ?? [];
    if (name) headers.append(name, value!);
  }
  return { path: first.split(" ")[1] ?? "", headers };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** What a proper server gives of a file, with or without a range. */
export function proper(content: Uint8Array, tag: string, { headers }: Asked): Answer {
  const [, from] = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "") ?? [];
  const start = Number(from ?? 0);
  if (from === undefined || headers.get("if-range") !== tag) {
    return {
      status: 200,
      headers: { etag: tag, "content-length": String(content.length) },
      body: content,
    };
  }
  if (start >= content.length) {
    return { status: 416, headers: { "content-range": `bytes */${content.length}` } };
  }
  return {
    status: 206,
    headers: {
      etag: tag,
      "content-range": `bytes ${start}-${content.length - 1}/${content.length}`,
      "content-length": String(content.length - start),
    },
    body: content.subarray(start),
  };
}

/** The same, broken off after so many bytes. */
export function broken(answer: Answer, after: number): Answer {
  return { ...answer, body: (answer.body as Uint8Array).subarray(0, after) };
}
