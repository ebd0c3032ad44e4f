import { useState } from "preact/hooks";
import { drawOptions, type Look, mixOptions, originalOptions } from "../look.ts";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { setQuery } from "../place.ts";
import type { Generator } from "../types.ts";
import { takeDropped } from "./explore_drag.ts";

/** The original under the adapted image, which the slider uncovers. */
export function Compare({ generator, look }: { generator: Generator; look: Look }) {
  const [percent, setPercent] = useState(50);
  const { seed, blend } = look;
  const mix = mixOptions(look);
  return (
    <figure class="compare">
      <div class="layers" {...takeDropped((other) => setQuery({ mix: String(other) }))}>
        <Picture
          url={imageUrl(generator.base, seed, { ...originalOptions(look), ...mix })}
          alt={`Seed ${seed}, original`}
        />
        <div class="over" style={{ clipPath: `inset(0 0 0 ${percent}%)` }}>
          <Picture
            url={imageUrl(generator.id, seed, { ...drawOptions(look), ...mix })}
            alt={`Seed ${seed}, adapted`}
          />
        </div>
        <div class="edge" style={{ left: `${percent}%` }} aria-hidden="true"></div>
        <input
          type="range"
          min={0}
          max={100}
          value={percent}
          aria-label="Original on the left, adapted on the right"
          onInput={(event) => setPercent(event.currentTarget.valueAsNumber)}
        />
      </div>
      <figcaption>
        <span>original</span>
        <span>{blend ? "blended" : "adapted"}</span>
      </figcaption>
    </figure>
  );
}
