import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.ts";
import { Slider } from "../parts/field.tsx";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { place, setQuery } from "../place.ts";
import type { Generator } from "../types.ts";
import { useLoaded } from "../use_loaded.ts";
import { targetText } from "../words.ts";
import { Compare } from "./explore_compare.tsx";
import { CopyButtons } from "./explore_copy.tsx";

/** Seeds that one more screen of the wall shows. */
const PAGE = 24;
/** A slider at rest for so long draws anew. */
const REST_MS = 120;

export interface Look {
  readonly seed: number;
  readonly truncation: number;
  readonly strength: number;
}

export function Explore({ id }: { id: string }) {
  const { value: all, error, again } = useLoaded(api.generators);
  const generator = all?.find((each) => each.id === id);
  const look = lookOf(place.value.query);
  const drawn = useRested(look, REST_MS);
  useEffect(() => {
    document.title = generator ? `${targetText(generator.target)} · nada` : "nada";
  }, [generator]);
  if (error) return <ProblemNote error={error} again={again} />;
  if (all && !generator) {
    return (
      <p class="empty">
        There is no such generator; it may have been deleted. <a href="#/gallery">To the gallery</a>
      </p>
    );
  }
  return (
    <article class="explore">
      <h1>
        {generator && (generator.kind === "base" ? generator.id : targetText(generator.target))}
      </h1>
      <div class="bench">
        {generator && <Compare generator={generator} look={drawn} />}
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
          <label class="seed">
            Seed
            <input
              type="number"
              min={0}
              max={2 ** 32 - 1}
              value={look.seed}
              onInput={(event) => setQuery({ seed: event.currentTarget.value || "0" })}
            />
          </label>
          {generator && <CopyButtons generator={generator} look={look} />}
        </div>
      </div>
      <h2>Seeds</h2>
      {generator && <Wall generator={generator} look={drawn} />}
    </article>
  );
}

function Wall({ generator, look }: { generator: Generator; look: Look }) {
  const [count, setCount] = useState(PAGE);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watching = new IntersectionObserver(([entry]) => {
      if (entry!.isIntersecting) setCount((shown) => shown + PAGE);
    }, { rootMargin: "200px" });
    watching.observe(end.current!);
    return () => watching.disconnect();
  }, [count]);
  const { truncation, strength } = look;
  return (
    <>
      <ul class="wall">
        {[...Array(count).keys()].map((seed) => (
          <li key={seed}>
            <button
              type="button"
              aria-label={`Seed ${seed}`}
              aria-pressed={seed === look.seed}
              onClick={() => setQuery({ seed: String(seed) })}
            >
              <Picture url={imageUrl(generator.id, seed, { truncation, strength })} alt="" />
            </button>
          </li>
        ))}
      </ul>
      <div ref={end}></div>
    </>
  );
}

function lookOf(query: URLSearchParams): Look {
  const number = (name: string, otherwise: number) => {
    const text = query.get(name);
    return text !== null && Number.isFinite(Number(text)) ? Number(text) : otherwise;
  };
  return {
    seed: number("seed", 0),
    truncation: number("truncation", 0.7),
    strength: number("strength", 1),
  };
}

/** The value once it has not changed for a while. */
function useRested(look: Look, ms: number): Look {
  const [rested, setRested] = useState(look);
  useEffect(() => {
    const timer = setTimeout(() => setRested(look), ms);
    return () => clearTimeout(timer);
  }, [look.seed, look.truncation, look.strength]);
  return rested;
}
