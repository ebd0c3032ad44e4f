/** What happens in adaptations, for those who follow them, and for those who come later or again. */
import { join } from "node:path";
import { isFinal } from "../lib/jobs/mod.ts";
import type { LogEntry } from "../models/nada/run_folder.ts";
import type { AdaptationJob } from "./adaptations.ts";
import type { AdaptEvent } from "./gpu/work.ts";

/** `step` counts the steps that are done. */
export type FeedEvent =
  | { readonly type: "state"; readonly job: AdaptationJob }
  | { readonly type: "step"; readonly step: number; readonly entry: LogEntry }
  | { readonly type: "preview"; readonly step: number; readonly file: string };

/** Where somebody stopped who comes again: what was seen last. */
export interface Position {
  readonly step: number;
  /** Whether the preview of that step was seen as well. */
  readonly preview: boolean;
}

export const BEGINNING: Position = { step: 0, preview: false };

export interface Progress {
  readonly step: number;
  readonly steps: number;
  readonly loss: number | null;
  readonly stepsPerSecond: number | null;
  readonly etaSeconds: number | null;
}

type Listener = (event: FeedEvent) => void;

/** Steps behind an estimate of the rate. */
const RATE_STEPS = 20;

export class AdaptationFeed {
  /** Of the runs that this process works on or has worked on last: the log is written after it. */
  readonly #recent = new Map<string, Map<number, LogEntry>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #stepListeners: ((id: string, entry: LogEntry) => void)[] = [];

  constructor(
    private readonly source: {
      runFolder(id: string): string;
      job(id: string): AdaptationJob | null;
    },
  ) {}

  /** Calls `listener` after each step of any run. */
  onStep(listener: (id: string, entry: LogEntry) => void): void {
    this.#stepListeners.push(listener);
  }

  /** Takes in what the GPU tells of a run. */
  tell(id: string, event: AdaptEvent): void {
    if (event.type === "start") {
      // One run at a time: what others had is in their logs.
      if (!this.#recent.has(id)) this.#recent.clear();
      this.#recent.set(id, this.#recent.get(id) ?? new Map());
    } else if (event.type === "step") {
      const step = event.entry.step + 1;
      this.#recent.get(id)?.set(step, event.entry);
      this.#publish(id, { type: "step", step, entry: event.entry });
      for (const listener of this.#stepListeners) listener(id, event.entry);
    } else {
      this.#publish(id, event);
    }
  }

  tellState(job: AdaptationJob): void {
    this.#publish(job.id, { type: "state", job });
  }

  /** How far a run is, from what this process has seen of it. */
  progress(id: string, steps: number): Progress | null {
    const entries = [...this.#recent.get(id)?.entries() ?? []].sort(([a], [b]) => a - b);
    const last = entries.at(-1);
    if (!last) return null;
    const latest = entries.slice(-RATE_STEPS).map(([, { ms }]) => ms);
    const seconds = latest.reduce((sum, ms) => sum + ms, 0) / latest.length / 1000;
    const [step, { loss }] = last;
    return {
      step,
      steps,
      loss,
      stepsPerSecond: 1 / seconds,
      etaSeconds: (steps - step) * seconds,
    };
  }

  /** The log so far. */
  async log(id: string): Promise<Map<number, LogEntry>> {
    const text = await Deno.readTextFile(join(this.source.runFolder(id), "log.jsonl")).catch(() =>
      ""
    );
    const entries = new Map<number, LogEntry>();
    for (const line of text.split("\n")) {
      const entry = parseLine(line);
      if (entry) entries.set(entry.step + 1, entry);
    }
    for (const [step, entry] of this.#recent.get(id) ?? []) entries.set(step, entry);
    return new Map([...entries].sort(([a], [b]) => a - b));
  }

  /**
   * Calls `listener` with what happened after `position` and then with what happens: each step and
   * each preview once and in order, a final state behind them. Returns how to end that.
   */
  follow(id: string, position: Position, listener: Listener): () => void {
    let { step } = position;
    let previewStep = position.preview ? position.step : position.step - 1;
    const pass = (event: FeedEvent) => {
      if (event.type === "step") {
        if (event.step <= step) return;
        step = event.step;
      } else if (event.type === "preview") {
        if (event.step <= previewStep) return;
        previewStep = event.step;
      }
      listener(event);
    };
    let isOpen = true;
    let early: FeedEvent[] | null = [];
    const live: Listener = (event) => early ? early.push(event) : pass(event);
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(live));
    this.#history(id, position).then((history) => {
      for (const event of [...history, ...early ?? []]) if (isOpen) pass(event);
      early = null;
      const job = this.source.job(id);
      if (isOpen && job && isFinal(job.state)) pass({ type: "state", job });
    }, (error) => console.error(error));
    return () => {
      isOpen = false;
      listeners.delete(live);
      if (listeners.size === 0) this.#listeners.delete(id);
    };
  }

  async #history(id: string, { step: from }: Position): Promise<FeedEvent[]> {
    const events: FeedEvent[] = [];
    for (const [step, entry] of await this.log(id)) {
      if (step > from) events.push({ type: "step", step, entry });
    }
    for (const [step, file] of await this.#previews(id)) {
      if (step < from) continue;
      const at = events.findIndex((event) => event.type === "step" && event.step > step);
      events.splice(at < 0 ? events.length : at, 0, { type: "preview", step, file });
    }
    return events;
  }

  async #previews(id: string): Promise<[step: number, file: string][]> {
    const folder = join(this.source.runFolder(id), "samples");
    const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
    return entries.flatMap(({ name }): [number, string][] => {
      const [, step] = /^step_(\d+)\.png$/.exec(name) ?? [];
      return step === undefined ? [] : [[Number(step), `samples/${name}`]];
    }).sort(([a], [b]) => a - b);
  }

  #publish(id: string, event: FeedEvent): void {
    for (const listener of this.#listeners.get(id) ?? []) listener(event);
  }
}

/** The last line may be half written. */
function parseLine(line: string): LogEntry | null {
  try {
    return line === "" ? null : JSON.parse(line);
  } catch {
    return null;
  }
}
