import { useState } from "preact/hooks";
import { imageUrl, Picture } from "../parts/picture.tsx";
import type { Generator } from "../types.ts";
import type { Look } from "./explore.tsx";

/** The original under the adapted image, which the slider uncovers. */
export function Compare({ generator, look }: { generator: Generator; look: Look }) {
  const [percent, setPercent] = useState(50);
  const { seed, truncation, strength } = look;
  return (
    <figure class="compare">
      <div class="layers">
        <Picture
          url={imageUrl(generator.base, seed, { truncation })}
          alt={`Seed ${seed}, original`}
        />
        <div class="over" style={{ clipPath: `inset(0 0 0 ${percent}%)` }}>
          <Picture
            url={imageUrl(generator.id, seed, { truncation, strength })}
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
        <span>adapted</span>
      </figcaption>
    </figure>
  );
}
