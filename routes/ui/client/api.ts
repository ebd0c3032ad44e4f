/** Requests to the service this page came from. */
import { signal } from "@preact/signals";
import type { Adaptation, ClipModel, Generator } from "./types.ts";

/** An answer that is none: `code` for programs, the message for people. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, detail: string) {
    super(detail);
  }
}

const TOKEN = "nada.token";
/** Kept for the session and in this tab alone; null where the server asks for none. */
export const token = signal<string | null>(sessionStorage.getItem(TOKEN));
/** Whether the server wants a token and has none, or not the right one. */
export const tokenWanted = signal(false);
/** Whether the server answered the last time. */
export const online = signal(true);

let tokenGiven = Promise.withResolvers<void>();

export function giveToken(value: string): void {
  sessionStorage.setItem(TOKEN, value);
  token.value = value;
  tokenWanted.value = false;
  tokenGiven.resolve();
  tokenGiven = Promise.withResolvers();
}

const RETRY_MS = 2000;
let watching = false;

/** Notes that the server does not answer, and asks until it does. */
export function serverIsGone(): void {
  online.value = false;
  if (watching) return;
  watching = true;
  const timer = setInterval(async () => {
    const answer = await fetch("/healthz").catch(() => null);
    if (!answer?.ok) return;
    clearInterval(timer);
    watching = false;
    online.value = true;
  }, RETRY_MS);
}

/** A request with the token; asks the person for one where it is wanted. Throws an ApiError. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token.value !== null) headers.set("authorization", `Bearer ${token.value}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    serverIsGone();
    throw new ApiError(0, "offline", "The server does not answer.");
  }
  if (response.status === 401) {
    tokenWanted.value = true;
    await tokenGiven.promise;
    return ask(path, init);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(
    response.status,
    problem.code ?? "error",
    problem.detail ?? `The server answered ${response.status}.`,
  );
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return await (await ask(path, init)).json();
}

const send = (method: "POST" | "PATCH", body: unknown): RequestInit => ({
  method,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

export const generators = () =>
  json<{ generators: Generator[] }>("/v1/generators").then((answer) => answer.generators);

export const clips = () => json<{ models: ClipModel[] }>("/v1/clip").then(({ models }) => models);

export const adaptation = (id: string) => json<Adaptation>(`/v1/adaptations/${id}`);

interface Page {
  readonly adaptations: Adaptation[];
  readonly next_cursor: string | null;
}

export const latest = (limit: number) =>
  json<Page>(`/v1/adaptations?limit=${limit}`).then((page) => page.adaptations);

/** All that made a generator, newest first. */
export async function succeeded(): Promise<Adaptation[]> {
  const all: Adaptation[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const from: string = cursor && `&cursor=${cursor}`;
    const page: Page = await json(`/v1/adaptations?state=succeeded&limit=100${from}`);
    all.push(...page.adaptations);
    cursor = page.next_cursor;
  }
  return all;
}

/** Starts an adaptation, towards pictures where some are given. */
export function start(request: object, images: readonly File[] = []): Promise<Adaptation> {
  if (images.length === 0) return json("/v1/adaptations", send("POST", request));
  const body = new FormData();
  body.set("request", JSON.stringify(request));
  for (const image of images) body.append("images", image);
  return json("/v1/adaptations", { method: "POST", body });
}

export const cancel = (id: string) =>
  json<Adaptation>(`/v1/adaptations/${id}/cancel`, { method: "POST" });

/** Ends it with what it has reached. */
export const finish = (id: string) =>
  json<Adaptation>(`/v1/adaptations/${id}/finish`, { method: "POST" });

/** null takes the name away. */
export const rename = (id: string, name: string | null) =>
  json<Adaptation>(`/v1/adaptations/${id}`, send("PATCH", { name }));

/** Frames from seed to seed as a file. */
export const walk = (id: string, request: object) =>
  ask(`/v1/generators/${id}/walks`, send("POST", request)).then((answer) => answer.blob());

/** Also goes through when the page is left. */
export const remove = (id: string) =>
  ask(`/v1/adaptations/${id}`, { method: "DELETE", keepalive: true });
