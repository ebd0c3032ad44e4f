/** The page: one document with its style, and its script, all from within the program. */
import type { Context } from "hono";
import { compress } from "hono/compress";
import { createHash } from "node:crypto";
import script from "./built/page.js" with { type: "text" };
import style from "./built/page.css" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import { createRouter } from "../router.ts";
import { FACTS } from "./facts.ts";
import { Shell } from "./shell.tsx";

/**
 * What the content security policy lets in: the style is in the document, so that the first paint
 * waits for nothing else.
 */
export const STYLE_SOURCE = `'sha256-${createHash("sha256").update(style).digest("base64")}'`;

/** A file whose address changes with its content, so that it may be kept for ever. */
function asset(path: string, content: string, type: string) {
  const version = createHash("sha256").update(content).digest("hex").slice(0, 12);
  return {
    path,
    address: `${path}?v=${version}`,
    send: (c: Context) =>
      c.body(content, 200, {
        "content-type": type,
        "cache-control": c.req.query("v") === version
          ? "public, max-age=31536000, immutable"
          : "no-cache",
      }),
  };
}

/** Whether a page is asked for; programs get what `/` answers them. */
function isBrowser(c: Context): boolean {
  return /\btext\/html\b/.test(c.req.header("accept") ?? "");
}

export function uiRoutes() {
  const page = asset("/ui/page.js", script, "text/javascript; charset=utf-8");
  const mark = asset("/ui/icon.svg", icon, "image/svg+xml");
  const shell = `<!doctype html>${Shell({ facts: FACTS, script: page.address, style })}`;
  const router = createRouter();
  for (const path of ["/", "/ui/*"]) router.use(path, compress());
  router.get("/", async (c, next) => {
    c.header("vary", "accept", { append: true });
    if (!isBrowser(c)) return await next();
    return c.html(shell, 200, { "cache-control": "no-cache" });
  });
  for (const { path, send } of [page, mark]) router.get(path, send);
  return router;
}
