/**
 * Who may use the service. `tokens.json` in the data folder holds names, scopes and hashes, never a
 * token itself; `nada token` writes it, and a running service reads it again when it has changed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { z } from "@hono/zod-openapi";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";

export const SCOPES = ["read", "sample", "adapt", "admin"] as const;
export type Scope = typeof SCOPES[number];

const Token = z.strictObject({
  name: z.string(),
  sha256: z.string().length(64),
  scopes: z.array(z.enum(SCOPES)),
  created: z.iso.datetime(),
  /** Requests a minute; null for no limit. */
  rate: z.number().positive().nullable(),
});
export type Token = z.infer<typeof Token>;

const PREFIX = "nada_";
/** In bytes: more than anybody can guess. */
const TOKEN_BYTES = 32;
const MAX_LENGTH = 200;
/** How soon a change of the file is seen. */
const CHECK_MS = 1000;

export class Tokens {
  #tokens: readonly Token[] = [];
  #wereSome = false;
  #checked = -Infinity;
  #version = "";

  private constructor(private readonly path: string) {}

  /** Reads the file, if there is one. Throws a UserError if it is damaged. */
  static async open(data: string): Promise<Tokens> {
    const tokens = new Tokens(fileIn(data));
    await tokens.#refresh();
    return tokens;
  }

  /**
   * Whether one is needed; else whoever reaches the service may use it. Once there were some it stays
   * so, also when the last one is revoked or the file is gone.
   */
  async areNeeded(): Promise<boolean> {
    await this.#refresh();
    return this.#wereSome;
  }

  async find(secret: string): Promise<Token | null> {
    await this.#refresh();
    if (secret.length > MAX_LENGTH) return null;
    const hash = createHash("sha256").update(secret).digest();
    let found: Token | null = null;
    // All are compared, in the same time whichever it is.
    for (const token of this.#tokens) {
      if (timingSafeEqual(hash, Uint8Array.fromHex(token.sha256))) found = token;
    }
    return found;
  }

  async #refresh(): Promise<void> {
    const now = performance.now();
    if (now - this.#checked < CHECK_MS) return;
    this.#checked = now;
    const stat = await Deno.stat(this.path).catch(() => null);
    const version = stat ? `${stat.mtime?.getTime()} ${stat.size} ${stat.ino}` : "";
    if (version === this.#version) return;
    this.#tokens = await readTokens(this.path);
    this.#wereSome ||= this.#tokens.length > 0;
    this.#version = version;
  }
}

/** Makes a token, which is shown this once. Throws a UserError for a name that is taken. */
export async function addToken(
  data: string,
  { name, scopes, rate }: Pick<Token, "name" | "scopes" | "rate">,
): Promise<string> {
  const tokens = await readTokens(fileIn(data));
  if (tokens.some((token) => token.name === name)) {
    throw new UserError(
      `Cannot add the token "${name}": there is one of that name; revoke it first`,
    );
  }
  const random = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  const secret = PREFIX + random.toBase64({ alphabet: "base64url", omitPadding: true });
  const sha256 = createHash("sha256").update(secret).digest("hex");
  const token = { name, sha256, scopes, created: new Date().toISOString(), rate };
  await writeTokens(data, [...tokens, token]);
  return secret;
}

export function listTokens(data: string): Promise<Token[]> {
  return readTokens(fileIn(data));
}

/** Throws a UserError where there is none of that name. */
export async function revokeToken(data: string, name: string): Promise<void> {
  const tokens = await readTokens(fileIn(data));
  const kept = tokens.filter((token) => token.name !== name);
  if (kept.length === tokens.length) {
    const names = tokens.map((token) => token.name).join(", ") || "none";
    throw new UserError(`Cannot revoke "${name}": there is no such token; there are: ${names}`);
  }
  await writeTokens(data, kept);
}

function fileIn(data: string): string {
  return join(data, "tokens.json");
}

async function readTokens(path: string): Promise<Token[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  try {
    return z.array(Token).parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(`Cannot read "${path}": it is damaged; remove it and add tokens anew`, {
      cause: error,
    });
  }
}

async function writeTokens(data: string, tokens: readonly Token[]): Promise<void> {
  await Deno.mkdir(data, { recursive: true });
  await writeFileAtomic(fileIn(data), `${JSON.stringify(tokens, null, 2)}\n`);
}
