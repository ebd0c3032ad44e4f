import { Command, CommanderError, Option } from "commander";
import { type CommandEntry, commands } from "./commands/mod.ts";
import { UserError } from "./lib/errors.ts";
import { checkProvider, PROVIDER_VARIABLE, PROVIDERS } from "./lib/gpu/provider.ts";
import { VERSION } from "./lib/version.ts";

/**
 * Runs one command line and returns the exit code: 0, 2 where the command line or what it names is
 * at fault, 1 for anything unexpected. A command may have set another in `Deno.exitCode`. `prepare`
 * is called with the command's entry before its file is loaded.
 */
export async function main(
  args: string[],
  prepare: (entry: CommandEntry) => void = () => {},
): Promise<number> {
  try {
    await createProgram(prepare).parseAsync(asOptions(args), { from: "user" });
    return Deno.exitCode;
  } catch (error) {
    return report(error);
  }
}

/** The words for what are options here. */
function asOptions([first, ...others]: string[]): string[] {
  if (first === "help") return [...others, "--help"];
  if (first === "version") return ["--version"];
  return first === undefined ? [] : [first, ...others];
}

function createProgram(prepare: (entry: CommandEntry) => void): Command {
  const program = new Command("nada")
    .description("Adapts an image generator to a new domain, from two short texts.")
    .version(VERSION, "-V, --version", "show the version")
    .addOption(new Option("--models-dir <dir>", "see nada pull --help").hideHelp())
    // The variable for this run: what looks models up need not know of the command line.
    .on("option:models-dir", (folder: string) => Deno.env.set("NADA_MODELS", folder))
    .option("--gpu <name>", `who drives the GPU: ${PROVIDERS.join(" or ")} (see the README)`)
    .on("option:gpu", (name: string) => Deno.env.set(PROVIDER_VARIABLE, checkProvider(name)))
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => console.log(text.trimEnd()),
      writeErr: (text) => console.error(text.trimEnd()),
      // One line an error: commander puts its "(Did you mean …)" on a second.
      outputError: (text, write) => write(text.trimEnd().replaceAll("\n", " ")),
    })
    .hook("preSubcommand", async (_, called) => {
      const entry = commands.find(({ name }) => name === called.name());
      if (!entry) return;
      prepare(entry);
      (await entry.load()).register(called);
    });
  for (const { name, alias, summary } of commands) {
    const command = program.command(name).description(summary);
    if (alias !== undefined) command.alias(alias);
  }
  return program;
}

/** A binary has one set of permissions for all commands: most do with less. */
export function giveUpNetwork({ network }: CommandEntry): void {
  if (!network) Deno.permissions.revokeSync({ name: "net" });
}

/** Tells the user what went wrong, and gives the exit code. */
function report(error: unknown): number {
  // Commander has printed its message, or the help or version that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;

  const line = userLine(error);
  if (line === undefined || Deno.env.get("DEBUG")) console.error(error);
  else console.error(`error: ${line}`);
  return line === undefined ? 1 : 2;
}

/** The message of an error the user can mend, undefined for any other. */
function userLine(error: unknown): string | undefined {
  if (error instanceof UserError) return error.message;
  if (error instanceof Deno.errors.NotCapable) {
    const [reason] = error.message.split(", run again"); // Requires write access to "/data/cat"
    return `Cannot go on: ${reason}; start with ./nada, which grants what its commands need`;
  }
  return undefined;
}

/** For `deno serve main.ts`: the service as `nada serve` starts it without options. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { defaultApp } = await import("./commands/serve.ts");
    app ??= defaultApp();
    return (await app).fetch(request);
  },
};

let app: Promise<{ fetch(request: Request): Response | Promise<Response> }> | undefined;

// `deno serve main.ts` also runs this file as the main one, without arguments. Leaving at once, even
// while a worker holds the GPU, keeps its driver's thread clean-up from racing with the exit.
if (import.meta.main && (Deno.args.length > 0 || Deno.build.standalone)) {
  Deno.exit(await main(Deno.args, giveUpNetwork));
}
