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

const post = (body: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

export const generators = () =>
  json<{ generators: Generator[] }>("/v1/generators").then((answer) => answer.generators);

export const clips = () => json<{ models: ClipModel[] }>("/v1/clip").then(({ models }) => models);

export const adaptation = (id: string) => json<Adaptation>(`/v1/adaptations/${id}`);

export const adaptations = (query = "limit=100") =>
  json<{ adaptations: Adaptation[] }>(`/v1/adaptations?${query}`)
    .then((answer) => answer.adaptations);

/** Starts an adaptation, towards pictures where some are given. */
export function start(request: object, images: readonly File[] = []): Promise<Adaptation> {
  if (images.length === 0) return json("/v1/adaptations", post(request));
  const body = new FormData();
  body.set("request", JSON.stringify(request));
  for (const image of images) body.append("images", image);
  return json("/v1/adaptations", { method: "POST", body });
}

export const cancel = (id: string) =>
  json<Adaptation>(`/v1/adaptations/${id}/cancel`, { method: "POST" });

/** Also goes through when the page is left. */
export const remove = (id: string) =>
  ask(`/v1/adaptations/${id}`, { method: "DELETE", keepalive: true });
