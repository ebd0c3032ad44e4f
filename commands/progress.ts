import { formatDuration } from "./layout.ts";

/** Where progress is shown. */
export interface ProgressScreen {
  /** Columns of the terminal; null where the output is none, such as a file or a pipe. */
  columns(): number | null;
  write(text: string): void;
  /** Milliseconds of a clock. */
  now(): number;
}

export interface ProgressOptions {
  /** How many there are to do, and how many were done before. */
  readonly total: number;
  readonly done?: number;
  /** What is counted. */
  readonly unit?: string;
  readonly screen?: ProgressScreen;
}

/** Redrawn at most this often on a terminal. */
const REDRAW_MS = 100;
/** Elsewhere a line for each tenth, or when this much time has gone by. */
const TENTHS = 10;
const LINE_MS = 30_000;
/** The rate is that of so many last updates: what came before may have run at another speed. */
const WINDOW = 20;
const MAX_BAR = 30;
const MIN_BAR = 6;
/** Columns for brackets and the gap behind. */
const AROUND_BAR = 4;

/** A bar on a terminal, a line now and then elsewhere; on stderr. */
export class Progress {
  readonly #total: number;
  readonly #unit: string;
  readonly #screen: ProgressScreen;
  /** The last updates, with when they came. */
  readonly #recent: { done: number; at: number }[];
  #shownAt: number;
  #shownDone: number;
  #line = "";

  constructor({ total, done = 0, unit = "steps", screen = stderrScreen }: ProgressOptions) {
    this.#total = total;
    this.#unit = unit;
    this.#screen = screen;
    this.#recent = [{ done, at: screen.now() }];
    this.#shownDone = done;
    this.#shownAt = screen.now();
    if (screen.columns() !== null) this.#show(done, "");
  }

  /** Says that `done` are done by now; `note` stands beside, such as the loss. */
  update(done: number, note = ""): void {
    const at = this.#screen.now();
    this.#recent.push({ done, at });
    if (this.#recent.length > WINDOW + 1) this.#recent.shift();
    const tenth = (count: number) => Math.floor(TENTHS * count / this.#total);
    const due = this.#screen.columns() === null
      ? tenth(done) > tenth(this.#shownDone) || at - this.#shownAt >= LINE_MS
      : at - this.#shownAt >= REDRAW_MS;
    if (due || done >= this.#total) this.#show(done, note);
  }

  /** Ends the bar's line, so that what is printed next starts on its own. */
  finish(): void {
    if (this.#line !== "") this.#screen.write("\n");
    this.#line = "";
  }

  [Symbol.dispose](): void {
    this.finish();
  }

  #show(done: number, note: string): void {
    const columns = this.#screen.columns();
    this.#shownAt = this.#screen.now();
    this.#shownDone = done;
    const rate = this.#rate();
    const facts = {
      count: `${done}/${this.#total}`,
      note,
      rate: rate > 0 ? `${threeDigits(rate)} ${this.#unit}/s` : "",
      left: rate > 0 && done < this.#total
        ? `${formatDuration((this.#total - done) / rate)} left`
        : "",
    };
    if (columns === null) {
      this.#screen.write(`${plainLine({ ...facts, count: `${facts.count} ${this.#unit}` })}\n`);
      return;
    }
    this.#line = barLine(done / this.#total, facts, columns - 1); // the last column would wrap
    this.#screen.write(`\r${this.#line}\x1b[K`);
  }

  /** How many a second, 0 as long as that is unknown. */
  #rate(): number {
    const [first, last] = [this.#recent[0]!, this.#recent.at(-1)!];
    return last.at > first.at ? 1000 * (last.done - first.done) / (last.at - first.at) : 0;
  }
}

/** A line that is replaced on a terminal; elsewhere only the first of its texts is written. On stderr. */
export class StatusLine {
  #isShown = false;

  constructor(private readonly screen: ProgressScreen = stderrScreen) {}

  show(text: string): void {
    const columns = this.screen.columns();
    if (columns !== null) this.screen.write(`\r${text.slice(0, columns - 1)}\x1b[K`);
    else if (!this.#isShown) this.screen.write(`${text}\n`);
    this.#isShown = true;
  }

  /** Ends the line, so that what is printed next starts on its own. */
  finish(): void {
    if (this.#isShown && this.screen.columns() !== null) this.screen.write("\n");
    this.#isShown = false;
  }
}

function threeDigits(rate: number): string {
  return rate < 100 ? rate.toPrecision(3) : rate.toFixed(0);
}

interface Facts {
  readonly count: string;
  readonly note: string;
  readonly rate: string;
  readonly left: string;
}

function plainLine(facts: Facts): string {
  return [facts.count, facts.note, facts.rate, facts.left].filter((text) => text !== "").join("  ");
}

/** One line of at most `width` columns: where there is little room, the least important goes. */
function barLine(share: number, facts: Facts, width: number): string {
  let shown = facts;
  for (const name of ["rate", "left"] as const) {
    if (plainLine(shown).length + MIN_BAR + AROUND_BAR <= width) break;
    shown = { ...shown, [name]: "" };
  }
  if (plainLine(shown).length > width) shown = { ...shown, note: "" };
  const text = plainLine(shown);
  const room = Math.min(MAX_BAR, width - text.length - AROUND_BAR);
  if (room < MIN_BAR) return text.slice(0, Math.max(0, width));
  const filled = Math.round(room * Math.min(1, share));
  return `[${"=".repeat(filled)}${" ".repeat(room - filled)}]  ${text}`;
}

const stderrScreen: ProgressScreen = {
  columns() {
    if (!Deno.stderr.isTerminal()) return null;
    try {
      return Deno.consoleSize().columns || 80; // some terminals say 0
    } catch {
      return 80; // no stream is the terminal's own
    }
  },
  write(text) {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  },
  now: () => performance.now(),
};
