import assert from "node:assert/strict";
import { Command } from "commander";
import { addServeOptions, describeConfig, readConfig } from "../../commands/serve_options.ts";
import { temporaryFolder } from "../temporary.ts";

function parse(...args: string[]) {
  const command = addServeOptions(new Command().exitOverride());
  command.parse(args, { from: "user" });
  return command;
}

Deno.test("nada serve takes options from the command line, the environment, a file, in this order", () => {
  using folder = temporaryFolder();
  const file = folder.file("nada.json");
  Deno.writeTextFileSync(
    file,
    JSON.stringify({
      port: 1,
      host: "file",
      maxQueued: 7,
      generator: { a: "/models/a.pt", b: "/models/b.pt" },
      corsOrigin: ["https://a.example"],
      metricsPublic: true,
    }),
  );
  Deno.env.set("NADA_PORT", "2");
  Deno.env.set("NADA_HOST", "environment");
  Deno.env.set("NADA_WEBHOOK_SECRET", "c2VjcmV0IG9mIHNpeHRlZW4gYnl0ZXM=");
  try {
    const command = parse("--port", "3", "--config", file);
    const config = readConfig(command);
    assert.equal(config.port, 3);
    assert.equal(config.host, "environment");
    assert.equal(config.maxQueued, 7);
    assert.deepEqual(config.generators, { a: "/models/a.pt", b: "/models/b.pt" });
    assert.deepEqual(config.corsOrigins, ["https://a.example"]);
    assert.equal(config.metricsPublic, true);
    const told = describeConfig(command).map((setting) => setting.join(" = ")).join("\n");
    assert.match(told, /port = 3 \(command line\)/);
    assert.match(told, /host = "environment" \(environment\)/);
    assert.match(told, /maxQueued = 7 \(file\)/);
    assert.match(told, /webhookSecret = \*\*\* \(environment\)/);
    assert.doesNotMatch(told, /c2VjcmV0/);
  } finally {
    for (const name of ["PORT", "HOST", "WEBHOOK_SECRET"]) Deno.env.delete(`NADA_${name}`);
  }
});

Deno.test("nada serve says what is wrong with a file of options", () => {
  using folder = temporaryFolder();
  const file = folder.file("nada.json");
  const cases: [string, RegExp][] = [
    ["{", /Cannot use the options of/],
    ["[]", /it is no object/],
    ['{"prot": 1}', /there is no option "prot"/],
    ['{"port": "x"}', /--port: Expected a whole number/],
    ['{"metricsPublic": 1}', /has to be true or false/],
  ];
  for (const [text, message] of cases) {
    Deno.writeTextFileSync(file, text);
    assert.throws(() => readConfig(parse("--config", file)), { name: "UserError", message });
  }
});
