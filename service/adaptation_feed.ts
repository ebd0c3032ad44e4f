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

/** What a run has done, kept once for all who follow it. */
interface History {
  /** When what was done before has been read. */
  loaded: Promise<void>;
  /** By the steps that are done with them, up to the last. */
  readonly entries: Map<number, LogEntry>;
  last: number;
  readonly previews: Map<number, string>;
  /** What this process has seen of it: its furthest step, and how long the latest ones took. */
  furthest: number;
  readonly latestMs: number[];
  /** How often the job's state has changed. */
  stateChanges: number;
  followers: number;
  /** Who waits for the next change. */
  readonly waiting: Set<() => void>;
}

/** Steps behind an estimate of the rate. */
const RATE_STEPS = 20;
/** Few enough that their text is soon collected: V8 keeps long ones until a full collection. */
const EVENTS_AT_ONCE = 20;

export class AdaptationFeed {
  /** Of the run that this process works on or has worked on last, and of those that are followed. */
  readonly #histories = new Map<string, History>();
  /** The first of these. */
  #current: string | null = null;
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
    const history = this.#history(id);
    if (event.type === "start") {
      const last = this.#current;
      this.#current = id;
      if (last !== null) this.#forget(last);
    } else if (event.type === "step") {
      const step = event.entry.step + 1;
      addStep(history, event.entry);
      history.furthest = Math.max(history.furthest, step);
      history.latestMs.push(event.entry.ms);
      if (history.latestMs.length > RATE_STEPS) history.latestMs.shift();
      for (const listener of this.#stepListeners) listener(id, event.entry);
    } else {
      history.previews.set(event.step, event.file);
    }
    wake(history);
  }

  tellState({ id }: AdaptationJob): void {
    const history = this.#histories.get(id);
    if (!history) return;
    history.stateChanges++;
    wake(history);
  }

  /** How far a run is, from what this process has seen of it. */
  progress(id: string, steps: number): Progress | null {
    const history = this.#histories.get(id);
    if (!history?.furthest) return null;
    const { furthest: step, latestMs, entries } = history;
    const seconds = latestMs.reduce((sum, ms) => sum + ms, 0) / latestMs.length / 1000;
    return {
      step,
      steps,
      loss: entries.get(step)!.loss,
      stepsPerSecond: 1 / seconds,
      etaSeconds: (steps - step) * seconds,
    };
  }

  /** The last step in the log; null where there is none. */
  async last(id: string): Promise<{ readonly step: number; readonly loss: number | null } | null> {
    const text = await this.#readLog(id);
    for (let end = text.length; end > 0;) {
      const start = text.lastIndexOf("\n", end - 2) + 1;
      const entry = parseLine(text.slice(start, end));
      if (entry) return { step: entry.step + 1, loss: entry.loss };
      end = start;
    }
    return null;
  }

  /**
   * The state, what happened after `position`, and then what happens, as many events at a time as
   * there are: each step and each preview once and in order, the state after every change. Ends
   * behind a final state, or when `signal` is aborted. Whoever is slow goes on where it stopped, and
   * costs no memory.
   */
  async *follow(id: string, position: Position, signal: AbortSignal): AsyncGenerator<FeedEvent[]> {
    const history = this.#history(id);
    history.followers++;
    try {
      let job = this.source.job(id);
      if (!job) return;
      let told = history.stateChanges;
      yield [{ type: "state", job }];
      await history.loaded;
      let at = position;
      while (!signal.aborted) {
        const changed = nextChange(history, signal);
        const { stateChanges } = history;
        if (stateChanges > told) job = this.source.job(id);
        for (;;) {
          const { events, reached } = eventsAfter(history, at);
          if (events.length === 0) break;
          at = reached;
          yield events;
        }
        if (!job) return;
        const isLast = isFinal(job.state);
        if (stateChanges > told || isLast) yield [{ type: "state", job }];
        if (isLast) return;
        told = stateChanges;
        await changed;
      }
    } finally {
      history.followers--;
      this.#forget(id);
    }
  }

  /** What is kept of a run; where that is nothing, what it has left is read. */
  #history(id: string): History {
    const kept = this.#histories.get(id);
    if (kept) return kept;
    const history: History = {
      loaded: Promise.resolve(),
      entries: new Map(),
      last: 0,
      previews: new Map(),
      furthest: 0,
      latestMs: [],
      stateChanges: 0,
      followers: 0,
      waiting: new Set(),
    };
    history.loaded = this.#load(id, history);
    this.#histories.set(id, history);
    return history;
  }

  /** Adds what a run has left on the disk; what is told of it meanwhile is newer. */
  async #load(id: string, history: History): Promise<void> {
    const folder = join(this.source.runFolder(id), "samples");
    const [log, samples] = await Promise.all([
      this.#readLog(id),
      Array.fromAsync(Deno.readDir(folder)).catch(() => []),
    ]);
    for (const line of log.split("\n")) {
      const entry = parseLine(line);
      if (entry && !history.entries.has(entry.step + 1)) addStep(history, entry);
    }
    for (const { name } of samples) {
      const [, step] = /^step_(\d+)\.png$/.exec(name) ?? [];
      if (step !== undefined) history.previews.set(Number(step), `samples/${name}`);
    }
  }

  #readLog(id: string): Promise<string> {
    return Deno.readTextFile(join(this.source.runFolder(id), "log.jsonl")).catch(() => "");
  }

  /** Forgets what nobody is interested in. */
  #forget(id: string): void {
    if (id !== this.#current && !this.#histories.get(id)?.followers) this.#histories.delete(id);
  }
}

function addStep(history: History, entry: LogEntry): void {
  const step = entry.step + 1;
  history.entries.set(step, entry);
  history.last = Math.max(history.last, step);
}

/** The steps and previews that follow a position, some at most, and where they lead to. */
function eventsAfter({ entries, last, previews }: History, { step, preview }: Position) {
  const events: FeedEvent[] = [];
  while (events.length < EVENTS_AT_ONCE) {
    const file = preview ? undefined : previews.get(step);
    if (file !== undefined) {
      preview = true;
      events.push({ type: "preview", step, file });
    } else if (step < last) {
      preview = false;
      const entry = entries.get(++step);
      if (entry) events.push({ type: "step", step, entry });
    } else {
      break;
    }
  }
  return { events, reached: { step, preview } };
}

function wake({ waiting }: History): void {
  for (const resolve of waiting) resolve();
}

/** Resolves at the next change, or once `signal` is aborted. */
function nextChange({ waiting }: History, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      waiting.delete(end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    waiting.add(end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** The last line may be half written. */
function parseLine(line: string): LogEntry | null {
  try {
    return line === "" ? null : JSON.parse(line);
  } catch {
    return null;
  }
}
