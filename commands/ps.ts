import { type Command, Option } from "commander";
import { UserError } from "../lib/errors.ts";
import type { ServerStatus } from "../service/server_status.ts";
import { formatBytes, formatDuration, printable } from "./layout.ts";

interface Flags {
  readonly server: string;
  readonly token?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  nada ps
  nada ps --server https://nada.example --token "$TOKEN" --json
`;

/** Of an answer. */
const WAIT_MS = 10_000;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .addOption(
      new Option("--server <url>", "the service").env("NADA_SERVER")
        .default("http://127.0.0.1:8787"),
    )
    .addOption(new Option("--token <token>", "where it asks for one").env("NADA_TOKEN"))
    .option("--json", "print all that it says as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async ({ server, token, json = false }: Flags) => {
      const status = await ask(server, token);
      console.log(json ? JSON.stringify(status, null, 2) : render(status));
    });
}

async function ask(server: string, token: string | undefined): Promise<ServerStatus> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new UserError(`Cannot ask "${server}": ${reason}`, { cause });
  };
  const isAddress = /^https?:$/.test(URL.parse(server)?.protocol ?? "");
  if (!isAddress) refuse("it is no address; give one as in http://127.0.0.1:8787");
  const response = await fetch(new URL("/v1/status", server), {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(WAIT_MS),
  }).catch((error) =>
    error instanceof Deno.errors.NotCapable
      ? Promise.reject(error)
      : refuse("nothing answers there; start nada serve, or give its address as --server", error)
  );
  const body = await response.json().catch((error) => refuse("it is no nada service", error));
  if (!response.ok) refuse(body.detail ?? `it answered ${response.status}`);
  return body;
}

/** The same for people. */
export function render(
  { status, detail, device, adaptation, queue, models }: ServerStatus,
): string {
  const memory = device && `${formatBytes(device.bytes)} taken` +
      (device.memory_bytes === null ? "" : ` of ${formatBytes(device.memory_bytes)}`);
  const rows = models.map(({ name, kind, bytes, adaptations, idle_seconds }) => [
    printable(name),
    kind,
    formatBytes(bytes),
    kind === "clip" ? "" : String(adaptations),
    formatDuration(idle_seconds),
  ]);
  return [
    device ? `${status}, on ${printable(device.adapter)} (${device.kind}), ${memory}` : status,
    ...detail === null ? [] : [printable(detail)],
    adaptation === null ? "no adaptation is under way" : `adaptation ${adaptation} is under way`,
    `${queue.waiting} of at most ${queue.max} wait`,
    ...rows.length === 0 ? [] : ["", ...table(["model", "kind", "size", "adapted", "idle"], rows)],
  ].join("\n");
}

function table(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd());
}
