/**
 * Figures in Prometheus' text format, version 0.0.4. Written here because the library for it cannot
 * be part of a compiled binary: `deno compile` overflows its stack on it.
 */

export type Labels = Readonly<Record<string, string | number>>;

interface About {
  /** As in "nada_step_seconds". */
  readonly name: string;
  readonly help: string;
}

/** One figure, or several that differ in their labels, as lines of text. */
interface Figure extends About {
  readonly type: "counter" | "gauge" | "histogram";
  lines(): string[];
}

/** Counts of observed values below some bounds, and their sum. */
export class Histogram implements Figure {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number }>();

  /** `bounds` in ascending order. */
  constructor({ name, help, bounds }: About & { readonly bounds: readonly number[] }) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
  }

  observe(value: number, labels: Labels = {}): void {
    const key = JSON.stringify(labels);
    const series = this.#series.get(key) ??
      { labels, counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
    this.#series.set(key, series);
    const index = this.#bounds.findIndex((bound) => value <= bound);
    series.counts[index < 0 ? this.#bounds.length : index]!++;
    series.sum += value;
  }

  lines(): string[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum }) => {
      let total = 0;
      const buckets = counts.map((count, i) => {
        total += count;
        const le = this.#bounds[i] ?? "+Inf";
        return line(`${this.name}_bucket`, { ...labels, le }, total);
      });
      return [
        ...buckets,
        line(`${this.name}_sum`, labels, sum),
        line(`${this.name}_count`, labels, total),
      ];
    });
  }
}

/** Figures that are looked up when somebody asks; each value with its labels. */
export function lookedUp(
  type: "counter" | "gauge",
  about: About,
  look: () => number | readonly (readonly [labels: Labels, value: number])[],
): Figure {
  return {
    ...about,
    type,
    lines() {
      const found = look();
      const values = typeof found === "number" ? [[{}, found] as const] : found;
      return values.map(([labels, value]) => line(about.name, labels, value));
    },
  };
}

export const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

export function toText(figures: readonly Figure[]): string {
  return figures.map((figure) =>
    [
      `# HELP ${figure.name} ${figure.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
      `# TYPE ${figure.name} ${figure.type}`,
      ...figure.lines(),
      "",
    ].join("\n")
  ).join("\n");
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
}

function escaped(text: string | number): string {
  return String(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
