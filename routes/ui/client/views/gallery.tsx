import { useEffect, useState } from "preact/hooks";
import * as api from "../api.ts";
import { deleteSoon, leaving } from "../deleting.ts";
import { DownloadMenu } from "../parts/download_menu.tsx";
import { NameForm } from "../parts/name_form.tsx";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { place, setQuery } from "../place.ts";
import type { Adaptation, Generator } from "../types.ts";
import { useLoaded } from "../use_loaded.ts";
import { createLink } from "../wish.ts";
import { ago, duration, fileSize, nameOf, targetText } from "../words.ts";

const SEEDS = [1, 2, 5];

export function Gallery() {
  const { value, error, again } = useLoaded(() => Promise.all([api.succeeded(), api.generators()]));
  const search = place.value.query.get("search") ?? "";
  useEffect(() => {
    document.title = "Gallery · nada";
  }, []);
  const [adaptations, generators] = value ?? [[], []];
  const all = adaptations.filter(({ id }) => !leaving.value.has(id));
  const found = all.filter(({ request }) =>
    `${request.name ?? ""} ${request.source ?? ""} ${
      targetText(request.target)
    } ${request.generator}`
      .toLowerCase().includes(search.trim().toLowerCase())
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
        <div class="empty">
          <p>Nothing is here yet: the first one takes a minute or two.</p>
          <a class="button main" href="#/create">Make the first one</a>
        </div>
      )}
      {all.length > 0 && found.length === 0 && <p class="empty">Nothing is called “{search}”.</p>}
      <ul class="cards">
        {found.map((adaptation) => (
          <Card
            key={adaptation.id}
            adaptation={adaptation}
            generator={generators.find(({ id }) => id === adaptation.id)}
            onRenamed={again}
          />
        ))}
      </ul>
    </>
  );
}

function Card(
  { adaptation, generator, onRenamed }: {
    adaptation: Adaptation;
    /** Missing where the base is no longer registered. */
    generator: Generator | undefined;
    onRenamed: () => void;
  },
) {
  const { id, request, started_at, finished_at, created_at, progress, style_images } = adaptation;
  const [isNaming, setNaming] = useState(false);
  const name = nameOf(request);
  const ofClass = typeof request.class === "number" ? { class: request.class } : {};
  const prompt = `${request.source || "what it drew"} → ${targetText(request.target)}`;
  const seconds = (Date.parse(finished_at!) - Date.parse(started_at ?? created_at)) / 1000;
  return (
    <li class="card">
      <a class="faces" href={`#/explore/${id}`} aria-label={`Explore ${name}`}>
        {SEEDS.map((seed) => (
          <Picture key={seed} url={imageUrl(request.generator, seed, ofClass)} alt="" />
        ))}
        {SEEDS.map((seed) => <Picture key={seed} url={imageUrl(id, seed)} alt="" />)}
      </a>
      {isNaming
        ? (
          <NameForm
            id={id}
            name={request.name ?? null}
            otherwise={targetText(request.target)}
            onDone={(changed) => {
              setNaming(false);
              if (changed) onRenamed();
            }}
          />
        )
        : (
          <h2>
            <a href={`#/explore/${id}`} title={name}>{name}</a>
          </h2>
        )}
      {request.name && <p class="prompt-line">{prompt}</p>}
      <p title={prompt}>
        {!request.name && `from ${request.source || "what it drew"} · `}
        {request.generator}
        {generator && `, ${generator.resolution}×${generator.resolution}`} · {progress.step}{" "}
        steps in {duration(seconds)} · <time dateTime={created_at}>{ago(created_at)}</time>
        {generator?.size_bytes && ` · ${fileSize(generator.size_bytes)}`}
      </p>
      <p class="actions">
        <DownloadMenu id={id} name={name} />
        <button type="button" aria-label={`Rename ${name}`} onClick={() => setNaming(true)}>
          Rename
        </button>
        <a class="button" href={createLink(request, style_images > 0 ? id : null)}>Duplicate</a>
        <button type="button" aria-label={`Delete ${name}`} onClick={() => deleteSoon(id, name)}>
          Delete
        </button>
      </p>
    </li>
  );
}
