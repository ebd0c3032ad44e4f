import { useEffect, useRef, useState } from "preact/hooks";
import { drawOptions, type Look } from "../look.ts";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { setQuery } from "../place.ts";
import type { Generator } from "../types.ts";
import { dragged, takeDropped } from "./explore_drag.ts";

/** Seeds that one more screen of the wall shows. */
const PAGE = 24;

/** What happens to a face that is chosen. */
const USES = {
  show: "shows it",
  mix: "mixes it into the one shown",
  walk: "adds it to the walk",
};

/** Faces without an end: to be looked at, mixed, and walked between. */
export function Wall(
  { generator, look, stops }: { generator: Generator; look: Look; stops: readonly number[] },
) {
  const [count, setCount] = useState(PAGE);
  const [use, setUse] = useState<keyof typeof USES>("show");
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watching = new IntersectionObserver(([entry]) => {
      if (entry!.isIntersecting) setCount((shown) => shown + PAGE);
    }, { rootMargin: "200px" });
    watching.observe(end.current!);
    return () => watching.disconnect();
  }, [count]);

  function choose(seed: number) {
    if (use === "show") setQuery({ seed: String(seed) });
    if (use === "mix") setQuery({ mix: String(seed) });
    if (use === "walk") setQuery({ walk: [...stops, seed].join() });
  }

  return (
    <section>
      <div class="heading">
        <h2 id="seeds">Seeds</h2>
        <fieldset class="uses">
          <legend>Choosing a face</legend>
          {(Object.keys(USES) as (keyof typeof USES)[]).map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="use"
                checked={use === each}
                onChange={() => setUse(each)}
              />
              {USES[each]}
            </label>
          ))}
        </fieldset>
      </div>
      <p class="hint">Drag a face onto another to give that one its finer styles.</p>
      <ul class="wall" aria-labelledby="seeds">
        {[...Array(count).keys()].map((seed) => (
          <li key={seed}>
            <button
              type="button"
              aria-label={`Seed ${seed}`}
              aria-pressed={seed === look.seed}
              onClick={() => choose(seed)}
              {...dragged(seed)}
              {...takeDropped((other) =>
                other !== seed && setQuery({ seed: String(seed), mix: String(other) })
              )}
            >
              <Picture url={imageUrl(generator.id, seed, drawOptions(look))} alt="" />
            </button>
          </li>
        ))}
      </ul>
      <div ref={end}></div>
    </section>
  );
}
