/** The description of the API as a page for people: plain HTML, nothing from elsewhere. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { html } from "hono/html";
import type { Env } from "./router.ts";

type Description = ReturnType<OpenAPIHono<Env>["getOpenAPI31Document"]>;

/** The parts of an operation that are shown. */
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Schema }> };
  readonly responses: Record<string, { readonly description: string }>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
}

export const STYLE = `
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.875rem/1.4 ui-monospace, monospace; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; }
summary { padding: 0.5rem 0.75rem; cursor: pointer; }
summary b { display: inline-block; min-width: 4rem; }
details > div { padding: 0 0.75rem 0.75rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
tr + tr { border-top: 1px solid var(--line); }
h4 { margin: 1rem 0 0.25rem; }
nav a { margin-right: 1rem; }
`;

export function docsPage(description: Description) {
  const { info, tags = [], paths = {} } = description;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Omit<Operation, "method" | "path">>)
      .map(([method, operation]) => ({ ...operation, method, path }))
  );
  const schemas = (description.components?.schemas ?? {}) as Record<string, Schema>;
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${info.title} ${info.version}: API</title>
        <link rel="stylesheet" href="/docs/style.css">
      </head>
      <body>
    <h1>${info.title} ${info.version}</h1>
    <p>${info
      .description} For programs: <a href="/openapi.json">/openapi.json</a>. Errors are problem
    documents (RFC 9457) with a <code>code</code> that is never reworded. Where the server has tokens,
    send one as <code>Authorization: Bearer TOKEN</code>.</p>
    <nav>${tags.map(({ name }) => html`<a href="#${name}">${name}</a>`)}</nav>
    ${tags.map((tag) =>
      html`<h2 id="${tag.name}">${tag.name}</h2><p>${tag.description}</p>
${
        operations.filter((each) => each.tags?.includes(tag.name)).map((each) =>
          showOperation(each, schemas)
        )
      }`
    )}
      </body>
    </html>
  `;
}

function showOperation(operation: Operation, schemas: Record<string, Schema>) {
  const { method, path, summary, description, parameters = [], requestBody, responses } = operation;
  const inputs = parameters.filter(({ name }) => name !== "");
  return html`
    <details>
      <summary><b>${method.toUpperCase()}</b> <code>${path}</code> ${summary}</summary>
      <div>
    ${description ? html`<p>${description}</p>` : ""}
    ${inputs.length > 0
      ? html`
        <h4>Parameters</h4>
        <table>${inputs.map(showParameter)}</table>
      `
      : ""}
    ${Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
      html`<h4>Body: ${type}</h4>${showFields(resolve(schema, schemas))}`
    )}
    <h4>Answers</h4>
    <table>${Object.entries(responses).map(([status, answer]) =>
      html`
        <tr>
          <td><code>${status}</code></td>
          <td>${answer.description}</td>
        </tr>
      `
    )}</table>
      </div>
    </details>
  `;
}

function showParameter({ name, in: place, required, description, schema }: Parameter) {
  return html`
    <tr>
      <td><code>${name}</code>${required ? "" : " (optional)"}</td>
      <td>${place}</td>
      <td><code>${typeOf(schema)}</code></td>
      <td>${description ?? schema.description ?? ""}</td>
    </tr>
  `;
}

function showFields(schema: Schema) {
  const required = schema.required ?? [];
  return html`<table>${
    Object.entries(schema.properties ?? {}).map(([name, field]) =>
      html`
        <tr>
          <td><code>${name}</code>${required.includes(name) ? "" : " (optional)"}</td>
          <td><code>${typeOf(field)}</code></td>
          <td>${field.description ?? ""}</td>
        </tr>
      `
    )
  }</table>`;
}

function resolve(schema: Schema, schemas: Record<string, Schema>): Schema {
  return schema.$ref ? schemas[schema.$ref.split("/").at(-1)!]! : schema;
}

/** "integer, 1 to 10000", "string or array of {text, weight}". */
function typeOf(schema: Schema): string {
  const { $ref, type, items, anyOf, properties, minimum, maximum } = schema;
  const rest = schema.default === undefined ? "" : ` = ${JSON.stringify(schema.default)}`;
  if ($ref) return $ref.split("/").at(-1)!;
  if (anyOf) return anyOf.map(typeOf).join(" or ") + rest;
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ") + rest;
  if (properties) return `{${Object.keys(properties).join(", ")}}${rest}`;
  if (items) return `array of ${typeOf(items)}${rest}`;
  const range = minimum !== undefined && maximum !== undefined ? `, ${minimum} to ${maximum}` : "";
  return `${[type].flat().join(" or ")}${range}${rest}`;
}
