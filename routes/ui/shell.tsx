import { raw } from "hono/html";
import type { Facts } from "./client/fact_types.ts";

export interface ShellProps {
  readonly facts: Facts;
  /** The script's address. */
  readonly script: string;
  readonly style: string;
}

/** The document that the script fills. */
export function Shell({ facts, script, style }: ShellProps) {
  // "<" would end the element.
  const json = JSON.stringify(facts).replaceAll("<", "\\u003c");
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="description" content="Adapt an image generator from two short texts." />
        <title>nada</title>
        <link rel="icon" href="/ui/icon.svg" type="image/svg+xml" />
        <style>{raw(style)}</style>
        <script type="application/json" id="facts">{raw(json)}</script>
        <script type="module" src={script}></script>
      </head>
      <body>
        <div id="page">
          <header class="bar">
            <span class="mark">nada</span>
          </header>
        </div>
        <noscript>
          <p class="notice">
            This page needs JavaScript. <a href="/docs">The API</a> does not.
          </p>
        </noscript>
      </body>
    </html>
  );
}
