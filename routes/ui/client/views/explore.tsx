import { useEffect, useState } from "preact/hooks";
import * as api from "../api.ts";
import { lookOf, stopsOf } from "../look.ts";
import { DownloadMenu } from "../parts/download_menu.tsx";
import { ClassField, Select, Slider } from "../parts/field.tsx";
import { NameForm } from "../parts/name_form.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { place, setQuery } from "../place.ts";
import type { Generator } from "../types.ts";
import { useLoaded } from "../use_loaded.ts";
import { useRested } from "../use_rested.ts";
import { generatorName, targetText } from "../words.ts";
import { Compare } from "./explore_compare.tsx";
import { CopyButtons } from "./explore_copy.tsx";
import { Walk } from "./explore_walk.tsx";
import { Wall } from "./explore_wall.tsx";

/** A slider at rest for so long draws anew. */
const REST_MS = 120;

export function Explore({ id }: { id: string }) {
  const { value: all, error, again } = useLoaded(api.generators);
  const generator = all?.find((each) => each.id === id);
  useEffect(() => {
    document.title = generator ? `${generatorName(generator)} · nada` : "nada";
  }, [generator]);
  if (error) return <ProblemNote error={error} again={again} />;
  if (!all) return <p class="empty">Looking for it…</p>;
  if (!generator) {
    return (
      <p class="empty">
        There is no such generator; it may have been deleted. <a href="#/gallery">To the gallery</a>
      </p>
    );
  }
  return <Bench generator={generator} all={all} onRenamed={again} />;
}

function Bench(
  { generator, all, onRenamed }: {
    generator: Generator;
    all: readonly Generator[];
    onRenamed: () => void;
  },
) {
  const { query } = place.value;
  const look = lookOf(query, generator);
  const drawn = useRested(look, REST_MS);
  const others = all.filter(({ id, kind, base }) =>
    kind === "adapted" && base === generator.base && id !== generator.id
  );
  return (
    <article class="explore">
      <Heading generator={generator} onRenamed={onRenamed} />
      <div class="bench">
        <Compare generator={generator} look={drawn} />
        <div class="panel">
          <Slider
            label="Truncation"
            min={0}
            max={1.2}
            step={0.05}
            value={look.truncation}
            onInput={(value) => setQuery({ truncation: String(value) })}
          />
          <Slider
            label="Strength"
            min={0}
            max={2}
            step={0.05}
            value={look.strength}
            onInput={(value) => setQuery({ strength: String(value) })}
          />
          <div class="numbers">
            <SeedField
              label="Seed"
              value={look.seed}
              onChange={(seed) => setQuery({ seed: seed ?? "0" })}
            />
            <SeedField
              label="Mixed with seed"
              value={look.mix?.seed}
              onChange={(mix) => setQuery({ mix, ...mix === null && { mix_from: null } })}
            />
          </div>
          {look.ofClass !== null && (
            <ClassField
              classes={generator.classes}
              value={query.get("class") ?? String(look.ofClass)}
              onInput={(text) => setQuery({ class: text || null })}
            />
          )}
          {look.mix && (
            <Slider
              label={`Styles of seed ${look.mix.seed} from layer`}
              min={0}
              max={generator.w_count}
              step={1}
              value={look.mix.from}
              onInput={(value) => setQuery({ mix_from: String(value) })}
            />
          )}
          {others.length > 0 && (
            <Select
              label="Blended with"
              value={look.blend?.generator ?? ""}
              options={[
                ["", "nothing"],
                ...others.map((other) => [other.id, generatorName(other)] as const),
              ]}
              onChange={(blend) =>
                setQuery({ blend: blend || null, ...!blend && { blend_by: null } })}
            />
          )}
          {look.blend && (
            <Slider
              label="Share of the second"
              min={0}
              max={1}
              step={0.05}
              value={look.blend.by}
              onInput={(value) => setQuery({ blend_by: String(value) })}
            />
          )}
          <CopyButtons generator={generator} look={look} />
        </div>
      </div>
      <Walk generator={generator} look={drawn} stops={stopsOf(query)} />
      <Wall generator={generator} look={drawn} stops={stopsOf(query)} />
    </article>
  );
}

function Heading({ generator, onRenamed }: { generator: Generator; onRenamed: () => void }) {
  const [isNaming, setNaming] = useState(false);
  const { id, kind, name, source, target } = generator;
  const title = generatorName(generator);
  if (isNaming) {
    return (
      <NameForm
        id={id}
        name={name}
        otherwise={targetText(target)}
        onDone={(changed) => {
          setNaming(false);
          if (changed) onRenamed();
        }}
      />
    );
  }
  return (
    <div class="heading">
      <div>
        <h1>{title}</h1>
        {name && <p class="prompt-line">{source || "what it drew"} → {targetText(target)}</p>}
      </div>
      {kind === "adapted" && (
        <p class="actions">
          <DownloadMenu id={id} name={title} />
          <button type="button" onClick={() => setNaming(true)}>Rename</button>
          <a class="button" href={`#/watch/${id}`}>How it was made</a>
        </p>
      )}
    </div>
  );
}

function SeedField(
  { label, value, onChange }: {
    label: string;
    value: number | undefined;
    onChange: (value: string | null) => void;
  },
) {
  return (
    <label class="seed">
      {label}
      <input
        type="number"
        min={0}
        max={2 ** 32 - 1}
        value={value ?? ""}
        placeholder="none"
        onInput={(event) => onChange(event.currentTarget.value || null)}
      />
    </label>
  );
}
