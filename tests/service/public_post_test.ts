import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { checkWebhook, type Resolve } from "../../service/public_address.ts";
import { type Post, postPublicly } from "../../service/public_post.ts";
import { temporaryFolder } from "../temporary.ts";

interface Received {
  readonly host: string | null;
  readonly body: string;
  readonly authorization: string | null;
}

/** A receiver on loopback, with what has come. */
function receiver(
  answer: (request: Request) => Response | Promise<Response> = () => new Response(),
  tls: { cert: string; key: string } | object = {},
) {
  const received: Received[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    ...tls,
  }, async (request) => {
    const { headers } = request;
    received.push({
      host: headers.get("host"),
      body: await request.text(),
      authorization: headers.get("authorization"),
    });
    return await answer(request);
  });
  return {
    received,
    port: (server.addr as Deno.NetAddr).port,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Gives these addresses in turn, the last one for ever, and counts how often it was asked. */
function names(...answers: string[][]): Resolve & { asked: number } {
  const resolve = Object.assign((_name: string) => {
    const now = answers.length > 1 ? answers.shift()! : answers[0]!;
    resolve.asked++;
    return Promise.resolve(now);
  }, { asked: 0 });
  return resolve;
}

const PUBLIC = "93.184.216.34";

const post = (url: string, more: Partial<Post> = {}) =>
  postPublicly(new URL(url), {
    headers: { "content-length": "5" },
    body: "hello",
    allow: [],
    signal: new AbortController().signal,
    ...more,
  });

Deno.test("postPublicly() looks a name up once, and connects to what it checked", async () => {
  await using hook = receiver();
  const resolve = names(["127.0.0.1"]);
  const url = `http://us%20er:pass@hooks.test:${hook.port}/there?x=1`;
  assert.equal(await post(url, { allow: ["hooks.test"], resolve }), 200);
  assert.equal(resolve.asked, 1);
  assert.deepEqual(hook.received, [{
    host: `hooks.test:${hook.port}`,
    body: "hello",
    authorization: `Basic ${btoa("us er:pass")}`,
  }]);
});

Deno.test("postPublicly() goes nowhere else when a name changes its meaning", async () => {
  await using hook = receiver();
  const url = `http://rebind.test:${hook.port}/`;
  // The permissions of the tests end at this machine: the error names where it was about to go.
  const rebinding = names([PUBLIC], ["127.0.0.1"]);
  await assert.rejects(post(url, { resolve: rebinding }), new RegExp(`${PUBLIC}:${hook.port}`));
  assert.equal(rebinding.asked, 1);
  await assert.rejects(post(url, { resolve: rebinding }), /address 127\.0\.0\.1 is not public/);
  await assert.rejects(post(url, { resolve: names([PUBLIC, "127.0.0.1"]) }), /is not public/);
  assert.deepEqual(hook.received, []);
});

Deno.test("A webhook is checked when it is asked for, and again when it is told", async () => {
  await using hook = receiver();
  const url = `http://rebind.test:${hook.port}/`;
  const resolve = names([PUBLIC], ["127.0.0.1"]);
  await checkWebhook(url, { enabled: true, secret: null, allow: [] }, resolve);
  await assert.rejects(post(url, { resolve }), /is not public/);
  assert.deepEqual(hook.received, []);
});

Deno.test("No form of a private address passes for a public one", async () => {
  const hidden = [
    ...["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"],
    ...["169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"],
    ...["::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"],
    ...["::ffff:127.0.0.1", "::ffff:7f00:1", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::"],
  ];
  for (const address of hidden) {
    await assert.rejects(post("http://x.test/", { resolve: names([address]) }), {
      code: "invalid_request",
      message: /is not public/,
    }, address);
  }
  for (const address of [PUBLIC, "1.1.1.1", "2606:4700:4700::1111"]) {
    await checkWebhook(
      "http://x.test/",
      { enabled: true, secret: null, allow: [] },
      names([address]),
    );
  }
});

Deno.test("postPublicly() gives redirections back, and ends when it is told to", async () => {
  const stop = new AbortController();
  await using hook = receiver((request) => {
    if (new URL(request.url).pathname !== "/hang") return Response.redirect("http://127.0.0.1:1/");
    stop.abort(new Error("told to"));
    return new Promise((resolve) =>
      request.signal.addEventListener("abort", () => resolve(new Response()))
    );
  });
  const more = { allow: ["127.0.0.1"] };
  assert.equal(await post(`http://127.0.0.1:${hook.port}/`, more), 302);
  await assert.rejects(
    post(`http://127.0.0.1:${hook.port}/hang`, { ...more, signal: stop.signal }),
  );
  await assert.rejects(
    post(`http://127.0.0.1:${hook.port}/`, { ...more, signal: AbortSignal.abort() }),
  );
  assert.equal(hook.received.length, 2);
});

/** Runs a command line of the shell; null where that fails. */
async function shell(command: string, ...args: string[]): Promise<string | null> {
  const { success, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-ec", command, "sh", ...args],
    stdin: "null",
  }).output();
  if (!success) console.error(new TextDecoder().decode(stderr));
  return success ? new TextDecoder().decode(stdout) : null;
}

/** An authority, and what it says of 127.0.0.1, in the folder of the first argument. */
const MAKE_CERTIFICATES = `cd "$1"
exec 2>&1
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Test
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=hooks.test
printf 'subjectAltName=DNS:hooks.test\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
  -extfile extensions -out cert.pem`;

Deno.test({
  name: "postPublicly() talks TLS with the service's permissions, to whom the certificate names",
  ignore: await shell("command -v openssl") === null,
  async fn() {
    using folder = temporaryFolder();
    assert.notEqual(await shell(MAKE_CERTIFICATES, folder.path), null);
    const read = (name: string) => Deno.readTextFileSync(folder.file(name));
    await using hook = receiver(undefined, { cert: read("cert.pem"), key: read("key.pem") });
    const script = folder.file("post.ts");
    const file = new URL("../../service/public_post.ts", import.meta.url);
    await Deno.writeTextFile(
      script,
      `import { postPublicly } from "${file}";
      const told = [];
      for (const host of ["hooks.test", "other.test"]) {
        told.push(await postPublicly(new URL(\`https://\${host}:${hook.port}/\`), {
          headers: {}, body: "", allow: [host], signal: new AbortController().signal,
          resolve: () => Promise.resolve(["127.0.0.1"]),
        }).catch((error) => error.message));
      }
      console.log(JSON.stringify(told));`,
    );
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const run = async (environment: string) => {
      const command = `${environment} exec deno run -q --no-prompt --config "$1" -P=serve "$2"`;
      return JSON.parse((await shell(command, config, script)) ?? assert.fail());
    };
    const [answer, other] = await run(`DENO_CERT=${folder.file("ca.pem")}`);
    assert.equal(answer, 200);
    assert.match(other, /not valid for name "other\.test"/);
    const [untrusted] = await run("");
    assert.match(untrusted, /UnknownIssuer|invalid peer certificate/);
    assert.deepEqual(hook.received.map(({ host }) => host), [`hooks.test:${hook.port}`]);
  },
});
