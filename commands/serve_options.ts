/** Options of `nada serve`: from the command line, else the environment, else a file. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { clipPath, generatorPath } from "../models/catalog.ts";
import { isLoopback, type ServiceConfig } from "../service/config.ts";
import { flagName } from "./adapt_options.ts";
import { choice, parseCount, parseWhole } from "./options.ts";

export const DATA_FOLDER = "runs/service";

interface Flags {
  config?: string;
  host: string;
  port: number;
  maxConnections: number;
  data: string;
  generator?: Record<string, string>;
  clip?: Record<string, string>;
  maxQueued: number;
  gpuCache: number;
  gpuMemory?: number;
  keepAlive: number;
  imageCache: number;
  corsOrigin?: string[];
  metricsPublic?: boolean;
  webhooks?: boolean;
  webhookSecret?: string;
  webhookAllow?: string[];
  logFormat: "text" | "json";
}

export function addServeOptions(command: Command): Command {
  const options = [
    new Option("--config <file>", 'JSON with options by these names, as in {"maxQueued": 10}'),
    new Option("--host <address>", "address to listen on").default("127.0.0.1"),
    new Option("--port <number>", "port to listen on, 0 for any free one").argParser(parsePort)
      .default(8787),
    dataOption(),
    new Option("--max-connections <n>", "at a time; each takes a file descriptor")
      .argParser(parseCount).default(800),
    new Option(
      "--generator <name=file>",
      "what clients may name: a file, or a pulled model; several",
    )
      .argParser(collectModels(generatorPath)),
    new Option("--clip <name=path>", "the same for CLIP models").argParser(
      collectModels(clipPath),
    ),
    new Option("--max-queued <n>", "adaptations that may wait").argParser(parseCount).default(100),
    new Option("--gpu-cache <MiB>", "device memory for adapted generators").argParser(parseWhole)
      .default(512),
    new Option("--gpu-memory <MiB>", "device memory to use at most: what cannot fit is refused")
      .argParser(parseCount),
    new Option("--keep-alive <minutes>", "models that nobody uses stay on the device; 0 for ever")
      .argParser(parseWhole).default(30),
    new Option("--image-cache <MiB>", "memory for images that were drawn").argParser(parseWhole)
      .default(64),
    new Option("--cors-origin <url>", "a page's origin that may use the API; several")
      .argParser(collectList),
    new Option("--metrics-public", "answer /metrics without a token"),
    new Option("--webhooks", "let clients be told of ends by webhooks, to public addresses"),
    new Option("--webhook-secret <base64>", "signs webhooks").argParser(parseSecret),
    new Option("--webhook-allow <host>", "also to this host, though it is not public; several")
      .argParser(collectList),
    choice("--log-format <kind>", "what is logged to standard error", ["text", "json"])
      .default("text"),
  ];
  for (const option of options) command.addOption(option.env(envName(option)));
  return command;
}

/** The folder of the service, for every command that looks into it. */
export function dataOption(): Option {
  return new Option("--data <dir>", "folder of jobs, results and tokens").default(DATA_FOLDER);
}

/** Throws a UserError for a file that is no good. */
export function readConfig(command: Command): ServiceConfig {
  applyFile(command);
  const flags = command.opts<Flags>();
  return {
    host: flags.host,
    port: flags.port,
    maxConnections: flags.maxConnections,
    data: resolve(flags.data),
    generators: flags.generator ?? {},
    clips: flags.clip ?? {},
    maxQueued: flags.maxQueued,
    gpuCacheBytes: flags.gpuCache * 2 ** 20,
    gpuMemoryBytes: flags.gpuMemory === undefined ? null : flags.gpuMemory * 2 ** 20,
    keepAliveMs: flags.keepAlive === 0 ? null : flags.keepAlive * 60_000,
    imageCacheBytes: flags.imageCache * 2 ** 20,
    corsOrigins: flags.corsOrigin ?? [],
    metricsPublic: flags.metricsPublic ?? false,
    webhooks: {
      enabled: flags.webhooks ?? false,
      secret: flags.webhookSecret ?? null,
      allow: flags.webhookAllow ?? [],
    },
    logFormat: flags.logFormat,
  };
}

/** Every setting by its name, with where it comes from, secrets masked. */
export function describeConfig(command: Command): [name: string, value: string][] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    if (value === undefined) return [];
    const shown = name === "webhookSecret" ? "***" : JSON.stringify(value);
    return [[name, `${shown} (${SOURCES[command.getOptionValueSource(name)!] ?? "default"})`]];
  });
}

const SOURCES: Record<string, string> = {
  cli: "command line",
  env: "environment",
  config: "file",
};

/** Throws a UserError for an address that others reach while anybody would be let in. */
export function checkExposure({ host }: ServiceConfig, hasTokens: boolean): void {
  if (hasTokens || isLoopback(host)) return;
  throw new UserError(
    `Cannot listen on "${host}": others can reach it, and without a token everybody may do ` +
      `everything; add one with nada token add NAME, or listen on 127.0.0.1`,
  );
}

/** What the file says, where neither the command line nor the environment does. */
function applyFile(command: Command): void {
  const path: string | undefined = command.getOptionValue("config");
  if (path === undefined) return;
  const refuse = (reason: string): never => {
    throw new UserError(`Cannot use the options of "${path}": ${reason}`);
  };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return refuse((error as Error).message);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    return refuse("it is no object");
  }
  for (const [name, value] of Object.entries(content)) {
    const option = command.options.find((each) => each.attributeName() === name) ??
      refuse(`there is no option "${name}"`);
    if (name === "config") refuse('"config" cannot stand in the file itself');
    if (["cli", "env"].includes(command.getOptionValueSource(name) ?? "")) continue;
    command.setOptionValueWithSource(name, parsed(option, value, refuse), "config");
  }
}

/** The value as if it had been given on the command line. */
function parsed(option: Option, value: unknown, refuse: (reason: string) => never): unknown {
  const name = option.attributeName();
  if (!option.required) {
    return typeof value === "boolean" ? value : refuse(`"${name}" has to be true or false`);
  }
  const texts = typeof value === "object" && value !== null
    ? Array.isArray(value) ? value : Object.entries(value).map((entry) => entry.join("="))
    : [value];
  try {
    return texts.reduce((before: unknown, text) => {
      const { parseArg } = option;
      return parseArg ? parseArg(String(text), before as never) : String(text);
    }, undefined);
  } catch (error) {
    return refuse(`${flagName(name)}: ${(error as Error).message}`);
  }
}

/** "--gpu-cache" → "NADA_GPU_CACHE". */
function envName(option: Option): string {
  return `NADA_${option.long!.slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/** NAME=FILE, or NAME alone for a pulled model; in the environment with commas between. */
function collectModels(pathOf: (given: string) => string) {
  return (text: string, before: Record<string, string> = {}): Record<string, string> => {
    const models = { ...before };
    for (const part of text.split(",")) {
      const [, name, given = name] = /^([a-z0-9][a-z0-9._-]{0,63})(?:=(.+))?$/i.exec(part.trim()) ??
        [];
      if (name === undefined) throw new InvalidArgumentError("Expected NAME=FILE.");
      models[name] = resolve(pathOf(given!));
    }
    return models;
  };
}

function collectList(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(",").map((part) => part.trim())];
}

function parseSecret(text: string): string {
  try {
    if (Uint8Array.fromBase64(text.replace(/^whsec_/, "")).length >= 16) return text;
  } catch { /* said below */ }
  throw new InvalidArgumentError("Expected at least 16 bytes in base64.");
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
  }
  return port;
}
