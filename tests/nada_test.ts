import assert from "node:assert/strict";
import { temporaryFolder } from "./temporary.ts";

const NADA = new URL("../nada", import.meta.url);

/** Prints how it was started, one argument a line, or pretends to be a version. */
function fakeDeno(version: string): string {
  return `#!/bin/sh
if [ "$1" = --version ]; then echo "deno ${version} (stable, release, x86_64-unknown-linux-gnu)"
else printf '%s\\n' "fake $0" "$@"; fi
`;
}

/** Lays down what npm would: one package with the program, and no link to it. */
const FAKE_NPM = `#!/bin/sh
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/@deno/some-machine"
cp "$(dirname "$0")/../for-npm" "$2/node_modules/@deno/some-machine/deno"
`;

/** A copy of ./nada in a folder of its own, on a machine with nothing but what `programs` names. */
function machine(programs: Record<string, string>) {
  const folder = temporaryFolder();
  const root = Deno.realPathSync(folder.path);
  Deno.mkdirSync(`${root}/bin`);
  Deno.copyFileSync(NADA, `${root}/nada`);
  const tools = ["chmod", "cp", "dirname", "mkdir", "mv", "rm", "uname"]
    .map((name) => [name, `#!/bin/sh\nPATH=/usr/bin:/bin exec ${name} "$@"\n`]);
  for (const [name, text] of [...tools, ...Object.entries(programs)]) {
    Deno.writeTextFileSync(`${root}/bin/${name}`, text!, { mode: 0o755 });
  }
  return {
    root,
    async start(...args: string[]) {
      const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
        args: [`${root}/nada`, ...args],
        cwd: root,
        // A driver chosen by hand is trusted: no look at the real machine.
        env: { PATH: `${root}/bin`, VK_DRIVER_FILES: "/chosen.json" },
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, out: text(stdout).trimEnd().split("\n"), err: text(stderr) };
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

Deno.test("./nada starts main.ts with a Deno of the PATH, and without all permissions", async () => {
  using here = machine({ deno: fakeDeno("2.9.0") });
  const { root } = here;
  assert.deepEqual((await here.start("doctor", "--json")).out, [
    `fake ${root}/bin/deno`,
    ...["run", "-q", "--config", `${root}/deno.json`, "-P=default"],
    ...[`${root}/main.ts`, "doctor", "--json"],
  ]);
});

Deno.test("./nada serve and pull get permissions of their own, ./nada alone shows the help", async () => {
  using here = machine({ deno: fakeDeno("3.0.0") });
  const permissions = async (...args: string[]) =>
    (await here.start("serve", ...args)).out.filter((word) => /^-P|^--allow/.test(word));
  assert.deepEqual(await permissions(), [
    ...["-P=serve", "--allow-net=127.0.0.1", "--allow-write=runs/service"],
  ]);
  assert.deepEqual(await permissions("--host", "::", "--data=/var/lib/my nada"), [
    ...["-P=serve", "--allow-net=[::]", "--allow-write=/var/lib/my nada"],
  ]);
  assert.equal((await permissions("--webhooks"))[1], "--allow-net");
  assert.ok((await here.start("ps")).out.includes("--allow-net"));
  assert.ok((await here.start("pull", "ffhq")).out.includes("-P=pull"));
  assert.ok((await here.start("--models-dir", "/m", "pull", "ffhq")).out.includes("-P=pull"));
  assert.equal((await here.start()).out.at(-1), "--help");
});

Deno.test("./nada lets Deno load Dawn only where it is asked for", async () => {
  using here = machine({ deno: fakeDeno("2.12.3") });
  for (const args of [["sample", "--gpu", "dawn"], ["--gpu=dawn", "sample"]]) {
    assert.equal((await here.start(...args)).out[5], "--allow-ffi");
  }
  assert.ok((await here.start("--gpu", "dawn", "pull", "ffhq")).out.includes("-P=pull"));
  for (const args of [["sample", "--gpu", "builtin"], ["sample", "--source", "dawn"]]) {
    assert.ok(!(await here.start(...args)).out.includes("--allow-ffi"));
  }
});

Deno.test("./nada test runs the tests with the arguments given", async () => {
  using here = machine({ deno: fakeDeno("2.12.3") });
  const { out } = await here.start("test", "--filter", "two words");
  assert.deepEqual(out.slice(-4), [
    "-P=runner",
    `${here.root}/tests/run.ts`,
    "--filter",
    "two words",
  ]);
});

Deno.test("./nada installs its own Deno where the PATH has none or an old one, once", async () => {
  for (const old of [{}, { deno: fakeDeno("2.8.4") }]) {
    using here = machine({ ...old, npm: FAKE_NPM });
    await Deno.writeTextFile(`${here.root}/for-npm`, fakeDeno("2.9.6"));

    const first = await here.start("doctor");
    assert.equal(first.code, 0, first.err);
    assert.match(first.err, /^nada: installing Deno 2\.9\.6 into .*\.deno/);
    assert.equal(first.out[0], `fake ${here.root}/.deno/2.9.6/deno`);
    assert.deepEqual([...Deno.readDirSync(`${here.root}/.deno`)].map((one) => one.name), ["2.9.6"]);

    const second = await here.start("doctor");
    assert.equal(second.err, "");
    assert.deepEqual(second.out, first.out);
  }
});

Deno.test("./nada says what to do where neither Deno nor npm is there", async () => {
  using here = machine({});
  const { code, err } = await here.start("doctor");
  assert.equal(code, 1);
  assert.match(err, /^nada: Cannot install Deno: npm is not on the PATH.* install Deno .*\n$/);
});

Deno.test("./nada leaves nothing behind when npm fails", async () => {
  using here = machine({ npm: "#!/bin/sh\necho offline >&2\nexit 7\n" });
  const { code, err } = await here.start("doctor");
  assert.equal(code, 1);
  assert.match(err, /offline\nnada: Cannot install Deno: npm failed/);
  assert.deepEqual([...Deno.readDirSync(`${here.root}/.deno`)].map((one) => one.name), ["2.9.6"]);
  assert.deepEqual([...Deno.readDirSync(`${here.root}/.deno/2.9.6`)], []);
});
