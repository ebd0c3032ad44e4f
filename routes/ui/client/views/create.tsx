import { useEffect, useState } from "preact/hooks";
import * as api from "../api.ts";
import type { Defaults } from "../fact_types.ts";
import { facts } from "../facts.ts";
import { ClassField, Field, Select } from "../parts/field.tsx";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { go, place, setQuery } from "../place.ts";
import type { Generator } from "../types.ts";
import { useLoaded } from "../use_loaded.ts";
import { previewEvery, readWeighted, requestOf, type Weighted, writeWeighted } from "../wish.ts";
import { generatorName } from "../words.ts";
import { Advanced } from "./create_advanced.tsx";
import { StyleImages } from "./create_images.tsx";
import { UnderWay } from "./create_under_way.tsx";
import { WeightedList } from "./create_weighted.tsx";

const FACES = [0, 1, 2, 3, 4, 5, 6, 7];

/** Everything asked for is in the address, so that a refresh or a link has it again. */
export function Create() {
  const generators = useLoaded(api.generators);
  const clips = useLoaded(api.clips);
  const [images, setImages] = useState<readonly File[]>([]);
  const [error, setError] = useState<Error | null>(null);
  const [isSending, setSending] = useState(false);
  const { query } = place.value;
  const bases = (generators.value ?? []).filter(({ kind }) => kind === "base");
  const generator = query.get("generator") ?? bases[0]?.id ?? "demo";
  const clipNames = (clips.value ?? []).map(({ name }) => name);
  const clip = clipNames[0] ?? "";
  const chosenClips = orOne(readWeighted(query, "clip"), clip);
  const isDemo = generator === "demo";
  const targets = orOne(readWeighted(query, "to"), "");
  const preset = facts.presets.find(({ name }) => name === query.get("preset"));
  const examples = facts.examples[isDemo ? "demo" : "others"];
  const usual: Defaults = { ...facts[isDemo ? "demo" : "others"], ...preset?.options };
  const steps = Number(query.get("steps") || usual.steps);
  const defaults: Defaults = { ...usual, preview_every: previewEvery(steps) };
  const isOfClasses = bases.some(({ id, classes }) => id === generator && classes > 0);
  const ofClass = isOfClasses ? { class: Number(query.get("class") ?? 0) } : {};
  const hasPictures = images.length > 0 || query.has("style_from");
  const setFirst = (name: "to" | "clip", all: readonly Weighted[], value: string) =>
    setQuery(writeWeighted(name, [{ ...all[0]!, name: value }, ...all.slice(1)]));

  useEffect(() => {
    document.title = "Create · nada";
  }, []);

  async function submit(event: Event) {
    event.preventDefault();
    setSending(true);
    setError(null);
    try {
      const request = requestOf(query, { generator, clip, steps, preset: preset?.options ?? {} });
      const adaptation = await api.start(request, images);
      go(`#/watch/${adaptation.id}`);
    } catch (reason) {
      setError(reason as Error);
    } finally {
      setSending(false);
    }
  }

  return (
    <>
      <section class="hero" aria-label="What the generator draws now">
        {FACES.map((seed) => (
          <Picture
            key={seed}
            url={generators.value && imageUrl(generator, seed, ofClass)}
            alt={`Seed ${seed} drawn by ${generator}`}
          />
        ))}
      </section>
      <form class="create" onSubmit={submit}>
        <h1>Say what it draws, and what it should draw instead</h1>
        <div class="prompt">
          <Field label="From">
            {(attributes) => (
              <input
                {...attributes}
                value={query.get("from") ?? "photo"}
                maxLength={300}
                required={!hasPictures}
                onInput={(event) => setQuery({ from: event.currentTarget.value })}
              />
            )}
          </Field>
          <span class="arrow" aria-hidden="true">→</span>
          <Field label="To">
            {(attributes) => (
              <input
                {...attributes}
                value={targets[0]!.name}
                maxLength={300}
                required={!hasPictures}
                placeholder={hasPictures ? "your pictures" : examples[0]}
                onInput={(event) => setFirst("to", targets, event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        <div class="chips" role="group" aria-label="Examples">
          {examples.map((example) => (
            <button
              key={example}
              type="button"
              class="chip"
              aria-pressed={example === targets[0]!.name}
              onClick={() => setFirst("to", targets, example)}
            >
              {example}
            </button>
          ))}
        </div>
        <WeightedList name="to" title="target" all={targets} empty="">
          {({ name }, label, change) => (
            <input
              aria-label={label}
              value={name}
              maxLength={300}
              required
              onInput={(event) => change(event.currentTarget.value)}
            />
          )}
        </WeightedList>
        <div class="pickers">
          <Select
            label="Generator"
            value={generator}
            options={bases.map(({ id, resolution }) => [id, `${id} (${resolution}×${resolution})`])}
            onChange={(id) => setQuery({ generator: id, start_from: null, class: null })}
          />
          <Select
            label="CLIP model"
            value={chosenClips[0]!.name}
            options={clipNames.map((name) => [name, name])}
            onChange={(name) => setFirst("clip", chosenClips, name)}
          />
          <Select
            label="Recipe"
            value={preset?.name ?? ""}
            options={[
              ["", isDemo ? "as the demo likes it" : "default"],
              ...facts.presets.map(({ name }) => [name, name] as const),
            ]}
            {...preset && { help: preset.about }}
            onChange={(name) => setQuery({ preset: name || null })}
          />
        </div>
        <StartingPoint all={generators.value ?? []} base={generator} />
        {clipNames.length > 1 && (
          <WeightedList name="clip" title="CLIP model" all={chosenClips} empty={clipNames[1]!}>
            {({ name }, label, change) => (
              <select
                aria-label={label}
                value={name}
                onChange={(event) => change(event.currentTarget.value)}
              >
                {clipNames.map((each) => <option key={each} value={each}>{each}</option>)}
              </select>
            )}
          </WeightedList>
        )}
        {clips.value?.length === 0 && (
          <p class="problem">
            This server has no CLIP model, which judges the images. Start it with one:{" "}
            <code>nada pull ViT-B/32</code>, then <code>nada serve --clip NAME=FILE</code>.
          </p>
        )}
        <StyleImages images={images} onChange={setImages} />
        <Advanced defaults={defaults} />
        {error && <ProblemNote error={error} />}
        <p class="start">
          <button type="submit" class="main" disabled={isSending || clip === ""}>
            {isSending ? "Starting…" : "Start"}
          </button>
          <small>
            {steps} steps, {query.get("batch") || defaults.batch} images each
          </small>
        </p>
        <details class="more">
          <summary>More models</summary>
          <p>
            <code>nada pull ffhq</code> and <code>nada pull ViT-B/32</code> bring public models;
            {" "}
            <code>nada models</code> lists them. Give them to the server as{" "}
            <code>--generator NAME=FILE</code> and <code>--clip NAME=FILE</code>.
          </p>
        </details>
      </form>
      {generators.error && <ProblemNote error={generators.error} again={generators.again} />}
      <UnderWay />
    </>
  );
}

/** What the training starts from, where there is a choice: an earlier adaptation, a class. */
function StartingPoint({ all, base }: { all: readonly Generator[]; base: string }) {
  const { query } = place.value;
  const earlier = all.filter((each) => each.kind === "adapted" && each.base === base);
  const { classes = 0 } = all.find(({ id }) => id === base) ?? {};
  if (earlier.length === 0 && classes === 0) return null;
  return (
    <div class="pickers">
      {earlier.length > 0 && (
        <Select
          label="Start from"
          value={query.get("start_from") ?? ""}
          options={[
            ["", "the generator as it is"],
            ...earlier.map((each) => [each.id, generatorName(each)] as const),
          ]}
          onChange={(id) => setQuery({ start_from: id || null })}
        />
      )}
      {classes > 0 && (
        <ClassField
          classes={classes}
          value={query.get("class") ?? ""}
          onInput={(text) => setQuery({ class: text || null })}
        />
      )}
    </div>
  );
}

/** At least one: the first has a field of its own. */
function orOne(all: readonly Weighted[], name: string): readonly Weighted[] {
  return all.length > 0 ? all : [{ name, weight: 1 }];
}
