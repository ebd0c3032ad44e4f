import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../theme.ts";
import type { Step } from "../types.ts";

const HEIGHT = 220;
/** Between two marks: there are no halves of steps. */
const STEP_INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
const PART_COLOURS = ["--series-2", "--series-3", "--series-4", "--series-5"];

/** The loss over the steps, and its parts where there are several. */
export function LossChart({ steps }: { steps: readonly Step[] }) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const parts = Object.keys(steps[0]?.parts ?? {});
  const shown = parts.length > 1 ? parts : [];

  useEffect(() => {
    const style = getComputedStyle(element.current!);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: colour("--soft-text"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    };
    const chart = new uPlot(
      {
        width: element.current!.clientWidth,
        height: HEIGHT,
        scales: { x: { time: false } },
        axes: [{ ...axis, incrs: STEP_INCREMENTS }, { ...axis, size: 56 }],
        series: [
          { label: "Step" },
          { label: "Loss", stroke: colour("--accent"), width: 2, points: { show: false } },
          ...shown.map((label, i) => ({
            label,
            stroke: colour(PART_COLOURS[i % PART_COLOURS.length]!),
            width: 1.5,
            points: { show: false },
          })),
        ],
      },
      [[], [], ...shown.map(() => [])],
      element.current!,
    );
    plot.current = chart;
    const resizing = new ResizeObserver(([entry]) =>
      chart.setSize({ width: entry!.contentRect.width, height: HEIGHT })
    );
    resizing.observe(element.current!);
    return () => {
      resizing.disconnect();
      chart.destroy();
    };
  }, [theme.value, shown.join()]);

  useEffect(() => {
    plot.current?.setData([
      steps.map(({ step }) => step),
      steps.map(({ loss }) => loss),
      ...shown.map((name) => steps.map((step) => step.parts?.[name] ?? null)),
    ]);
    if (steps.length > 0) plot.current?.setLegend({ idx: steps.length - 1 });
  }, [steps, theme.value, shown.join()]);

  const last = steps.at(-1);
  const label = last
    ? `Loss over ${last.step} steps: ${steps[0]!.loss.toFixed(3)} at first, ${
      last.loss.toFixed(3)
    } now`
    : "Loss, before the first step";
  return <div class="chart" role="img" aria-label={label} ref={element}></div>;
}
