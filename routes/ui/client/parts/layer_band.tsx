import { useEffect, useRef } from "preact/hooks";
import { theme } from "../theme.ts";
import type { Step } from "../types.ts";

/** Pixels of a layer's row. */
const ROW = 7;

/** Which layers each step trained: a row a layer, by name; a column a step. */
export function LayerBand({ steps }: { steps: readonly Step[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const layers = [...new Set(steps.flatMap((step) => step.layers))]
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const isChosen = steps.some((step) => step.layers.length < layers.length);

  useEffect(() => {
    if (!canvas.current) return;
    const context = canvas.current.getContext("2d")!;
    context.fillStyle = getComputedStyle(canvas.current).getPropertyValue("--series-2");
    for (const [column, step] of steps.entries()) {
      for (const layer of step.layers) {
        context.fillRect(column, layers.indexOf(layer) * ROW, 1, ROW);
      }
    }
  }, [steps, theme.value, layers.length]);

  // Where all are trained all the time, there is nothing to see.
  if (!isChosen) return null;
  return (
    <figure class="layer-band">
      <canvas
        ref={canvas}
        width={steps.length}
        height={layers.length * ROW}
        style={{ height: `${layers.length * ROW}px` }}
        role="img"
        aria-label={`Layers that each step trained, of ${layers.join(", ")}`}
      />
      <figcaption>Layers trained in each step, from the top: {layers.join(", ")}</figcaption>
    </figure>
  );
}
