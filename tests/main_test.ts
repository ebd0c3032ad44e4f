import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { commands } from "../commands/mod.ts";
import { UserError } from "../lib/errors.ts";
import server, { main } from "../main.ts";
import { captured } from "./console.ts";
import { temporaryFolder } from "./temporary.ts";

/** Runs with a command "try" whose action is `action`. */
async function mainWith(action: () => Promise<void>, args: string[]) {
  commands.push({
    name: "try",
    summary: "only for this test",
    load: () =>
      Promise.resolve({
        register: (command) => void command.option("-o, --out <path>", "where").action(action),
      }),
  });
  try {
    return await captured(() => main(args));
  } finally {
    commands.pop();
  }
}

Deno.test("main() prints the version of deno.json", async () => {
  const { result, out } = await captured(() => main(["--version"]));
  assert.equal(out, config.version);
  assert.equal(result, 0);
});

Deno.test("main() lists every command without loading any", async () => {
  const loads = commands.map((entry) => entry.load);
  for (const entry of commands) entry.load = () => Promise.reject(new Error("loaded"));
  const { result, out } = await captured(() => main(["--help"])).finally(() =>
    commands.forEach((entry, i) => entry.load = loads[i]!)
  );
  assert.equal(result, 0);
  for (const { name, alias, summary } of commands) {
    assert.match(out, new RegExp(`${name}${alias ? `\\|${alias}` : ""} .*${summary}`));
  }
});

Deno.test("main() knows other programs' words for its commands", async () => {
  const usage = async (...args: string[]) => (await captured(() => main(args))).out;
  for (const [word, name] of [["list", "models"], ["show", "inspect"], ["render", "sample"]]) {
    assert.equal(await usage(word!, "--help"), await usage(name!, "--help"));
  }
  assert.equal(await usage("--gpu", "builtin", "list", "--help"), await usage("models", "--help"));
  assert.equal(await usage("version"), config.version);
});

Deno.test("main() shows the same help for `help doctor` and `doctor --help`", async () => {
  const one = await captured(() => main(["help", "doctor"]));
  const other = await captured(() => main(["doctor", "--help"]));
  assert.match(one.out, /--json/);
  assert.deepEqual(one, other);
});

Deno.test("main() answers a wrong command line with one line and exit code 2", async () => {
  for (const args of [["docter"], ["doctor", "--jsn"], ["--nope"], ["doctor", "twice"]]) {
    const { result, out, err } = await captured(() => main(args));
    assert.equal(result, 2, args.join(" "));
    assert.match(err, /^error: [^\n]+$/);
    assert.equal(out, "");
  }
});

Deno.test("main() gives 0 after an action that returns", async () => {
  const { result, err } = await mainWith(() => Promise.resolve(), ["try", "--out", "x"]);
  assert.equal(result, 0);
  assert.equal(err, "");
});

Deno.test("main() shows a UserError in one line and gives 2", async () => {
  const fail = () => Promise.reject(new UserError('Cannot open "x.pt": it is empty'));
  const { result, err } = await mainWith(fail, ["try"]);
  assert.equal(result, 2);
  assert.equal(err, 'error: Cannot open "x.pt": it is empty');
});

Deno.test("main() says what Deno did not permit in one line and gives 2", async () => {
  const fail = () => Deno.writeTextFile("/nowhere/cat", "");
  const { result, err } = await mainWith(fail, ["try"]);
  assert.equal(result, 2);
  assert.match(err, /^error: Cannot go on: Requires write access to "\/nowhere\/cat"; [^\n]+$/);
});

Deno.test("main() shows anything unexpected with its stack and gives 1", async () => {
  const { result, err } = await mainWith(() => Promise.reject(new RangeError("off by one")), [
    "try",
  ]);
  assert.equal(result, 1);
  assert.match(err, /RangeError: off by one/);
});

Deno.test("main.ts answers `deno serve` through its default export", async () => {
  using folder = temporaryFolder();
  const before = Deno.cwd();
  Deno.chdir(folder.path); // where its data go
  const response = await server.fetch(new Request("http://127.0.0.1/version"))
    .finally(() => Deno.chdir(before));
  assert.deepEqual(await response.json(), { version: config.version });
});
