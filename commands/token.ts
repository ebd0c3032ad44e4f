import { type Command, InvalidArgumentError } from "commander";
import { resolve } from "node:path";
import { addToken, listTokens, revokeToken, type Scope, SCOPES } from "../service/tokens.ts";
import { parsePositive } from "./options.ts";
import { dataOption } from "./serve_options.ts";

const NOTES = `
Scopes: read sees adaptations and generators, sample draws, adapt starts, cancels
and deletes adaptations, admin does everything. A running server knows of a
change within a second.

Examples:
  nada token add web --scope read,sample --rate 120
  nada token list
  nada token revoke web
`;

/** See CommandModule. */
export function register(command: Command): void {
  command.addHelpText("after", NOTES).action(() => command.help({ error: true }));
  command.command("add <name>")
    .description("make a token, which is shown this once")
    .option("--scope <names>", `of ${SCOPES.join(", ")}`, parseScopes, ["read", "sample"])
    .option("--rate <n>", "requests a minute (default: no limit)", parsePositive)
    .addOption(dataOption().env("NADA_DATA"))
    .action(async (name: string, flags: { scope: Scope[]; rate?: number; data: string }) => {
      const { scope: scopes, rate = null, data } = flags;
      console.log(await addToken(resolve(data), { name, scopes, rate }));
    });
  command.command("list")
    .description("list tokens by name")
    .addOption(dataOption().env("NADA_DATA"))
    .action(async ({ data }: { data: string }) => {
      const tokens = await listTokens(resolve(data));
      if (tokens.length === 0) return console.log("There are no tokens");
      for (const { name, scopes, created, rate } of tokens) {
        const limit = rate === null ? "" : `  ${rate} a minute`;
        console.log(`${name}  ${scopes.join(",")}  ${created.slice(0, 10)}${limit}`);
      }
    });
  command.command("revoke <name>")
    .description("make a token worthless")
    .addOption(dataOption().env("NADA_DATA"))
    .action((name: string, { data }: { data: string }) => revokeToken(resolve(data), name));
}

function parseScopes(text: string): Scope[] {
  return text.split(",").map((name) => {
    const scope = SCOPES.find((each) => each === name.trim());
    if (scope) return scope;
    throw new InvalidArgumentError(`Expected names from ${SCOPES.join(", ")}.`);
  });
}
