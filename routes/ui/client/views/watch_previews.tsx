import { useState } from "preact/hooks";
import { facts } from "../facts.ts";
import { Slider } from "../parts/field.tsx";
import { Picture } from "../parts/picture.tsx";
import type { AdaptationRequest, Preview } from "../types.ts";

/** The same seeds before and after, now and at earlier steps; its room is there from the start. */
export function Previews(
  { request, previews }: { request: AdaptationRequest; previews: readonly Preview[] },
) {
  /** The preview looked at; null for the latest, whichever that is. */
  const [chosen, setChosen] = useState<number | null>(null);
  const index = chosen ?? previews.length - 1;
  const preview = previews[index];
  const usual = facts[request.generator === "demo" ? "demo" : "others"];
  const ratio = sheetRatio(Number(request.preview_count ?? usual.preview_count));
  return (
    <section class="before-after" aria-label="Before and after" style={{ "--ratio": ratio }}>
      <Picture
        url={preview?.url ?? null}
        alt={preview ? `The same seeds before, above, and after ${preview.step} steps, below` : ""}
      />
      <div class="below">
        {!preview && <p class="empty">The first preview comes in a moment.</p>}
        {previews.length > 1 && (
          <Slider
            label={`After ${preview?.step ?? 0} steps`}
            min={0}
            max={previews.length - 1}
            step={1}
            value={index}
            onInput={(value) => setChosen(value === previews.length - 1 ? null : value)}
          />
        )}
      </div>
    </section>
  );
}

/** About the width over the height of a preview; that of one with images of 128 pixels. */
function sheetRatio(count: number): number {
  const columns = Math.min(count, 8);
  const rows = Math.ceil(count / 8);
  const width = Math.max(316, 109 + 136 * columns);
  // Of several rows each image has a caption; of one, each column.
  const height = rows === 1 ? 409 : 109 + 324 * rows;
  return width / height;
}
