import { refuse } from "./refusal.ts";

const MAX_DEPTH = 8;
/** Objects, lists and items of both: ten for each of some hundred thousand tensors. */
const MAX_PARTS = 4_000_000;

/**
 * Parses JSON that comes from a stranger: refuses deep nesting, more parts than memory has room
 * for, and repeated keys, of which JSON.parse would keep the last without a word.
 */
export function parseStrictJson(text: string): unknown {
  checkStructure(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    refuseSyntax(error);
  }
}

/** One pass over `text`, which may be no JSON at all: what is not noticed here JSON.parse refuses. */
function checkStructure(text: string): void {
  const open: Set<string>[] = [];
  let parts = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "{" || c === "[" || c === ",") {
      if (++parts > MAX_PARTS) refuse(`its header has more than ${MAX_PARTS} parts`);
    }
    if (c === "{" || c === "[") {
      open.push(new Set());
      if (open.length > MAX_DEPTH) refuse(`its header is nested over ${MAX_DEPTH} deep`);
    } else if (c === "}" || c === "]") {
      open.pop();
    } else if (c === '"') {
      const end = stringEnd(text, at);
      if (isKey(text, end)) noteKey(open.at(-1), text.slice(at, end));
      at = end - 1;
    }
  }
}

/** The index after the quote that ends the string which begins at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Whether a colon follows. */
function isKey(text: string, at: number): boolean {
  while (at < text.length && " \t\r\n".includes(text[at]!)) at++;
  return text[at] === ":";
}

function noteKey(keys: Set<string> | undefined, quoted: string): void {
  let key: string;
  try {
    key = JSON.parse(quoted);
  } catch (error) {
    refuseSyntax(error);
  }
  if (keys?.has(key)) refuse(`its header has the name "${key}" twice`);
  keys?.add(key);
}

function refuseSyntax(error: unknown): never {
  refuse(`its header is not valid JSON (${(error as SyntaxError).message})`, error);
}
