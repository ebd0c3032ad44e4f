/** Device time by kernel: a table to read and a trace that chrome://tracing and Perfetto open. */

/** When a dispatch ran, from the first dispatch of its submission. */
export interface DispatchTime {
  /** Kernel, what was fused into it, and the shapes it binds. */
  readonly label: string;
  readonly startUs: number;
  readonly durationUs: number;
}

interface TraceEvent {
  name: string;
  ph: "X";
  pid: number;
  tid: number;
  ts: number;
  dur: number;
}

export class Profiler {
  readonly #events: TraceEvent[] = [];
  #clockUs = 0;

  /** Adds the dispatches of one submission, laid after those recorded before. */
  record(times: readonly DispatchTime[]): void {
    let end = this.#clockUs;
    for (const { label, startUs, durationUs } of times) {
      const ts = this.#clockUs + startUs;
      this.#events.push({ name: label, ph: "X", pid: 1, tid: 1, ts, dur: durationUs });
      end = Math.max(end, ts + durationUs);
    }
    this.#clockUs = end;
  }

  /** Of all dispatches together. */
  get totalUs(): number {
    return this.#events.reduce((sum, { dur }) => sum + dur, 0);
  }

  /** The trace event format's JSON object. */
  trace(): { traceEvents: TraceEvent[]; displayTimeUnit: string } {
    return { traceEvents: this.#events, displayTimeUnit: "ms" };
  }

  /** One line per kernel and shapes, the most expensive first, then the total. */
  table(): string {
    const rows = [...Map.groupBy(this.#events, (event) => event.name)]
      .map(([name, events]) => ({
        name,
        calls: events.length,
        us: events.reduce((sum, event) => sum + event.dur, 0),
      }))
      .sort((a, b) => b.us - a.us);
    const total = rows.reduce((sum, row) => sum + row.us, 0);
    const calls = rows.reduce((sum, row) => sum + row.calls, 0);
    const line = (ms: string, share: string, count: string, mean: string, name: string) =>
      `${ms.padStart(10)} ${share.padStart(6)} ${count.padStart(7)} ${mean.padStart(9)}  ${name}`;
    const format = (us: number, count: number, name: string) =>
      line(
        (us / 1000).toFixed(3),
        `${(100 * us / Math.max(total, 1e-9)).toFixed(1)}%`,
        String(count),
        (us / Math.max(count, 1)).toFixed(1),
        name,
      );
    return [
      line("total ms", "share", "calls", "mean us", "kernel and shapes"),
      ...rows.map(({ us, calls, name }) => format(us, calls, name)),
      format(total, calls, "all"),
      "",
    ].join("\n");
  }
}
