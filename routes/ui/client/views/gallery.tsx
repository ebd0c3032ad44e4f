import { useEffect } from "preact/hooks";
import * as api from "../api.ts";
import { deleteSoon, leaving } from "../deleting.ts";
import { download } from "../download.ts";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { place, setQuery } from "../place.ts";
import type { Adaptation } from "../types.ts";
import { useLoaded } from "../use_loaded.ts";
import { ago, duration, targetText } from "../words.ts";
import { createLink } from "./create_link.ts";

const SEEDS = [1, 2, 5];

export function Gallery() {
  const { value, error, again } = useLoaded(() => api.adaptations("state=succeeded&limit=100"));
  const search = place.value.query.get("search") ?? "";
  useEffect(() => {
    document.title = "Gallery · nada";
  }, []);
  const all = (value ?? []).filter(({ id }) => !leaving.value.has(id));
  const found = all.filter(({ request }) =>
    `${request.source ?? ""} ${targetText(request.target)} ${request.generator}`.toLowerCase()
      .includes(search.trim().toLowerCase())
  );
  return (
    <>
      <div class="heading">
        <h1>Gallery</h1>
        <input
          type="search"
          aria-label="Search"
          placeholder="Search"
          value={search}
          onInput={(event) => setQuery({ search: event.currentTarget.value || null })}
        />
      </div>
      {error && <ProblemNote error={error} again={again} />}
      {value && all.length === 0 && (
        <p class="empty">
          Nothing is here yet. <a href="#/create">Make the first one</a>: it takes a minute or two.
        </p>
      )}
      {all.length > 0 && found.length === 0 && <p class="empty">Nothing is called “{search}”.</p>}
      <ul class="cards">
        {found.map((adaptation) => <Card key={adaptation.id} adaptation={adaptation} />)}
      </ul>
    </>
  );
}

function Card({ adaptation }: { adaptation: Adaptation }) {
  const { id, request, started_at, finished_at, created_at, progress } = adaptation;
  const name = targetText(request.target);
  const seconds = (Date.parse(finished_at!) - Date.parse(started_at ?? created_at)) / 1000;
  return (
    <li class="card">
      <a class="faces" href={`#/explore/${id}`} aria-label={`Explore ${name}`}>
        {SEEDS.map((seed) => <Picture key={seed} url={imageUrl(request.generator, seed)} alt="" />)}
        {SEEDS.map((seed) => <Picture key={seed} url={imageUrl(id, seed)} alt="" />)}
      </a>
      <h2>
        <a href={`#/explore/${id}`}>{name}</a>
      </h2>
      <p>
        from {request.source || "what it drew"} · {request.generator} · {progress.step} steps in
        {" "}
        {duration(seconds)} · <time dateTime={created_at}>{ago(created_at)}</time>
      </p>
      <p class="actions">
        <details class="menu">
          <summary>Download</summary>
          <ul>
            <li>
              <button type="button" onClick={() => download(id, "delta", name)}>
                What changed (delta)
              </button>
            </li>
            <li>
              <button type="button" onClick={() => download(id, "safetensors", name)}>
                Whole, .safetensors
              </button>
            </li>
            <li>
              <button type="button" onClick={() => download(id, "rosinality", name)}>
                Whole, .pt
              </button>
            </li>
          </ul>
        </details>
        <a class="button" href={createLink(request)}>Duplicate</a>
        <button type="button" aria-label={`Delete ${name}`} onClick={() => deleteSoon(id, name)}>
          Delete
        </button>
      </p>
    </li>
  );
}
