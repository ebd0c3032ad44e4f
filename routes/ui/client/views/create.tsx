import { useEffect, useState } from "preact/hooks";
import * as api from "../api.ts";
import { facts } from "../facts.ts";
import { Field, Select } from "../parts/field.tsx";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { go, place, setQuery } from "../place.ts";
import { useLoaded } from "../use_loaded.ts";
import { Advanced } from "./create_advanced.tsx";
import { StyleImages } from "./create_images.tsx";
import { UnderWay } from "./create_under_way.tsx";

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
  const clip = query.get("clip") ?? clipNames[0] ?? "";
  const isDemo = generator === "demo";
  const source = query.get("from") ?? "photo";
  const target = query.get("to") ?? "";
  const preset = facts.presets.find(({ name }) => name === query.get("preset"));
  const examples = facts.examples[isDemo ? "demo" : "others"];
  const defaults = { ...facts[isDemo ? "demo" : "others"], ...preset?.options };

  useEffect(() => {
    document.title = "Create · nada";
  }, []);

  async function submit(event: Event) {
    event.preventDefault();
    setSending(true);
    setError(null);
    try {
      const adaptation = await api.start({
        ...source.trim() && { source: source.trim() },
        ...target.trim() && { target: target.trim() },
        generator,
        clip,
        ...preset?.options,
        ...advancedOptions(query),
      }, images);
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
            url={generators.value && imageUrl(generator, seed)}
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
                value={source}
                maxLength={300}
                required={images.length === 0}
                onInput={(event) => setQuery({ from: event.currentTarget.value })}
              />
            )}
          </Field>
          <span class="arrow" aria-hidden="true">→</span>
          <Field label="To">
            {(attributes) => (
              <input
                {...attributes}
                value={target}
                maxLength={300}
                required={images.length === 0}
                placeholder={images.length > 0 ? "your pictures" : examples[0]}
                onInput={(event) => setQuery({ to: event.currentTarget.value })}
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
              aria-pressed={example === target}
              onClick={() => setQuery({ to: example })}
            >
              {example}
            </button>
          ))}
        </div>
        <div class="pickers">
          <Select
            label="Generator"
            value={generator}
            options={bases.map(({ id, resolution }) => [id, `${id} (${resolution}×${resolution})`])}
            onChange={(id) => setQuery({ generator: id })}
          />
          <Select
            label="CLIP model"
            value={clip}
            options={clipNames.map((name) => [name, name])}
            onChange={(name) => setQuery({ clip: name })}
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
            {query.get("steps") ?? defaults.steps} steps, {query.get("batch") ?? defaults.batch}
            {" "}
            images each
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

const NUMBERS = [
  "steps",
  "batch",
  "lr",
  "seed",
  "mixing",
  "text_weight",
  "preview_every",
  "preview_count",
  "preview_truncation",
];
const TEXTS = [
  "augmentation",
  "noise",
  "phase",
  "train_params",
  "direction_loss",
  "stop_on",
  "frozen_adam",
];
const LAMBDAS = ["direction", "global", "patch", "manifold"];

/** What the drawer has set, as the API takes it. */
function advancedOptions(query: URLSearchParams): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of NUMBERS) if (query.get(name)) options[name] = Number(query.get(name));
  for (const name of TEXTS) if (query.get(name)) options[name] = query.get(name);
  const lambdas = LAMBDAS.filter((name) => query.get(`lambda_${name}`))
    .map((name) => [name, Number(query.get(`lambda_${name}`))]);
  if (lambdas.length > 0) options.lambdas = Object.fromEntries(lambdas);
  const count = query.get("auto_layers");
  if (count) options.auto_layers = { count: Number(count) };
  return options;
}
