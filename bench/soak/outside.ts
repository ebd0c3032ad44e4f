/** What the server may reach, and who may reach it. */
import { pause, type SoakCase } from "./case.ts";
import { raw } from "./http.ts";
import { allEnded, ASKED, getJson, startServer, stopServer, submit, until } from "./server.ts";

/** Addresses that only the server's own machine or network reaches. */
const PRIVATE = [
  "http://127.0.0.1/",
  "http://localhost/",
  "http://[::1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://169.254.169.254/latest/meta-data/",
  "http://2130706433/",
  "http://0x7f.0.0.1/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://0.0.0.0:22/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://100.64.0.1/",
  "http://[fd00::1]/",
  "http://[fe80::1]/",
  "file:///etc/passwd",
  "gopher://127.0.0.1/",
];

interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Ids of the messages that have come. */
  readonly ids: string[];
}

/** Takes webhooks, and answers the n-th as told. */
function receive(answer: (n: number) => Response | Promise<Response>): Receiver {
  const ids: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) },
    async (request) => {
      await request.body?.cancel();
      ids.push(request.headers.get("webhook-id") ?? "none");
      return await answer(ids.length);
    },
  );
  return {
    url: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}/`,
    ids,
    async [Symbol.asyncDispose]() {
      // Those that hang are not waited for.
      await Promise.race([server.shutdown(), pause(100)]);
    },
  };
}

const ok = () => new Response(null, { status: 204 });

const reach: SoakCase = {
  id: "22",
  name: "private addresses, foreign names and origins",
  target: "refused unless allowed, redirections not followed",
  quick: false,
  async run({ data, models }) {
    await using hidden = receive(ok);
    await using redirecting = receive(() => Response.redirect(hidden.url));
    const server = await startServer({
      data: data(),
      models,
      args: ["--webhooks", "--webhook-allow", new URL(redirecting.url).host],
    });
    let accepted = 0;
    for (const url of [...PRIVATE, hidden.url]) {
      if ((await submit(server.url, { steps: 1, webhook: { url } })).status !== 422) accepted++;
    }
    const heads = [
      ...["evil.example", "169.254.169.254", "127.0.0.1.evil.example", "localhost.evil.example"]
        .map((host) => `Host: ${host}`),
      ...["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1:1"]
        .map((origin) => `Host: localhost\r\nOrigin: ${origin}`),
    ];
    let answered = 0;
    for (const head of heads) {
      const status = await raw(
        server,
        `GET /v1/generators HTTP/1.1\r\n${head}\r\nConnection: close\r\n\r\n`,
      );
      if (!["403", "421"].includes(status)) answered++;
    }
    await submit(server.url, { steps: 1, webhook: { url: redirecting.url } });
    await allEnded(server.url, 300);
    const told = await until(() => Promise.resolve(redirecting.ids.length > 0), 30);
    await pause(500);
    await stopServer(server);
    return {
      figure: `${PRIVATE.length + 1} addresses, ${accepted} accepted; ${heads.length} hosts and ` +
        `origins, ${answered} answered; ${hidden.ids.length} redirections followed`,
      isRight: accepted === 0 && answered === 0 && told && hidden.ids.length === 0,
      isWithin: true,
    };
  },
};

const receivers: SoakCase = {
  id: "23",
  name: "webhook receivers that fail",
  target: "the job is unaffected; told again until it arrives, with one id, also after kill -9",
  quick: false,
  async run({ data: makeData, models }) {
    const data = makeData();
    const failing = () => new Response(null, { status: 500 });
    let isUp = false;
    await using broken = receive((n) => n < 3 ? failing() : ok());
    await using hanging = receive(() => new Promise<Response>(() => {}));
    await using down = receive(() => isUp ? ok() : failing());
    const urls = [broken.url, hanging.url, down.url, broken.url.replace("http:", "https:")];
    const args = ["--webhooks", "--webhook-allow", "127.0.0.1"];
    let server = await startServer({ data, models, args });
    const jobs = await Promise.all(
      urls.map((url) => submit(server.url, { steps: 1, webhook: { url } })),
    );
    const finished = await allEnded(server.url, 300);
    const states = await Promise.all(
      jobs.map(async ({ id }) => (await getJson(`${server.url}/v1/adaptations/${id}`)).state),
    );
    const repeated = await until(
      () => Promise.resolve(broken.ids.length >= 3 && hanging.ids.length >= 2),
      60,
    );
    server.kill("SIGKILL");
    await server.ended;
    isUp = true;
    const before = down.ids.length;
    server = await startServer({ data, models, args });
    const delivered = await until(() => Promise.resolve(down.ids.length > before), 30);
    await pause(1000);
    await stopServer(server);
    const distinct = [broken, hanging, down].map(({ ids }) => new Set(ids).size);
    return {
      figure: `${states.filter((state) => state === "succeeded").length} of ${jobs.length} jobs ` +
        `done; ${broken.ids.length} tries until it arrived, ${hanging.ids.length} of one that ` +
        `hangs; told after a restart: ${delivered}; ids of each: ${distinct.join(", ")}`,
      isRight: finished && states.every((state) => state === "succeeded") && repeated &&
        broken.ids.length === 3 && delivered && distinct.every((count) => count === 1),
      isWithin: true,
    };
  },
};

const fence: SoakCase = {
  id: "33",
  name: "permissions",
  target: "nothing the server does asks for more; nothing else is allowed",
  quick: false,
  async run({ folder, data, models }) {
    const server = await startServer({ data: data(), models });
    const get = async (path: string) => {
      const response = await fetch(server.url + path);
      await response.bytes();
      return response.status;
    };
    const { id } = await submit(server.url, { ...ASKED, steps: 4 });
    const finished = await allEnded(server.url, 300);
    const statuses = [];
    for (
      const path of [
        ...["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/version"],
        ...["/v1/adaptations", "/v1/generators", "/v1/clip", `/v1/adaptations/${id}/events`],
        ...["png", "jpg", "webp"].map((end) => `/v1/generators/${id}/samples/1.${end}`),
        ...["delta", "safetensors", "rosinality"].map((format) =>
          `/v1/generators/${id}/download?format=${format}`
        ),
        ...["log.jsonl", "loss.png", "adapted.safetensors"].map((file) =>
          `/v1/adaptations/${id}/files/${file}`
        ),
      ]
    ) statuses.push(await get(path));
    const { code } = await stopServer(server);
    const asked = /NotCapable|Requires .* access/.exec(server.errors())?.[0];
    const granted = await beyondTheFence(folder);
    const answered = statuses.filter((status) => status === 200).length;
    return {
      figure: `${answered} of ${statuses.length} requests answered, ${asked ?? "nothing"} asked ` +
        `for; of what is outside, granted: ${granted}`,
      isRight: finished && code === 0 && answered === statuses.length && !asked && granted === "",
      isWithin: true,
    };
  },
};

/** Which of the things that the server has no need of its permissions would let it do. */
async function beyondTheFence(folder: string): Promise<string> {
  const queries: Deno.PermissionDescriptor[] = [
    { name: "run" },
    { name: "run", command: "sh" },
    { name: "ffi" },
    { name: "write" },
    { name: "write", path: "/etc" },
    { name: "net" },
    { name: "net", host: "169.254.169.254" },
    { name: "env", variable: "AWS_SECRET_ACCESS_KEY" },
  ];
  const code = `const queries = ${JSON.stringify(queries)};
    console.log(queries.filter((query) => Deno.permissions.querySync(query).state === "granted")
      .map((query) => Object.values(query).join(" ")).join(", "));`;
  const file = `${folder}/query.ts`;
  await Deno.writeTextFile(file, code);
  const { pathname: config } = new URL("../../deno.json", import.meta.url);
  const args = ["--config", config, "-P=serve", "--allow-net=127.0.0.1", `--allow-write=${folder}`];
  const { stdout } = await new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", ...args, file],
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

export const outside = [reach, receivers, fence];
