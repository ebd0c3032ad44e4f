/** Where the page is: behind the "#", so that a copied address has it all and no server sees it. */
import { signal } from "@preact/signals";

export interface Place {
  /** "create", "watch", "gallery" or "explore". */
  readonly view: string;
  readonly id: string;
  readonly query: URLSearchParams;
}

export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/");
  return { view: view || "create", id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

export const place = signal(parsePlace(location.hash));

addEventListener("hashchange", () => {
  const old = place.value;
  place.value = parsePlace(location.hash);
  if (place.value.view !== old.view || place.value.id !== old.id) scrollTo(0, 0);
});

export function go(hash: string): void {
  location.hash = hash;
}

/** Changes what is behind the "?" without a new entry in the history; null and [] take it away. */
export function setQuery(
  changes: Readonly<Record<string, string | readonly string[] | null>>,
): void {
  const { view, id, query } = place.value;
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const each of [value ?? []].flat()) next.append(name, each);
  }
  const text = next.toString();
  history.replaceState(null, "", `#/${view}/${encodeURIComponent(id)}${text && `?${text}`}`);
  place.value = { view, id, query: next };
}
