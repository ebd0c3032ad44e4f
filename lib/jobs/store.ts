/**
 * Jobs on disk, in SQLite. What `put` returns from is on the disk and outlives a power cut: the
 * write-ahead log is flushed at every commit. Each record carries a checksum, since SQLite itself
 * notices damage only in the structure of its pages.
 */
import { createHash } from "node:crypto";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { UserError } from "../errors.ts";
import type { Job, JobState } from "./job.ts";
import { salvage } from "./salvage.ts";

/** Of the file's layout; a file with a higher one was written by a later release. */
const LAYOUT = 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT,
    record TEXT NOT NULL,
    checksum TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_key ON jobs (owner, key) WHERE key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
`;

export interface Page {
  /** Newest first. */
  readonly jobs: readonly Job[];
  /** Where the next page begins; null after the last. */
  readonly next: number | null;
}

export interface PageOptions {
  readonly state?: JobState;
  /** What `next` was on the page before. */
  readonly before?: number;
  readonly limit: number;
}

export class JobStore implements Disposable {
  private constructor(
    private readonly db: DatabaseSync,
    /** What was found damaged when it was opened, a line each. */
    readonly damage: readonly string[],
  ) {}

  /**
   * Opens the file, or makes it. A damaged one is set aside, and every record in it that is whole is
   * kept. Throws a UserError where another process uses it or a later release wrote it.
   */
  static open(path: string): JobStore {
    const damage = salvage(path, (db) => prepare(db, path), isWhole);
    const db = new DatabaseSync(path);
    prepare(db, path);
    return new JobStore(db, damage);
  }

  /** Writes a job, new or known. */
  put(job: Job): void {
    const record = JSON.stringify(job);
    this.db.prepare(
      `INSERT INTO jobs (id, state, owner, key, record, checksum) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, record = excluded.record,
         checksum = excluded.checksum`,
    ).run(job.id, job.state, job.owner, job.idempotencyKey, record, checksumOf(record));
  }

  get(id: string): Job | null {
    const row = this.db.prepare("SELECT record FROM jobs WHERE id = ?").get(id);
    return row ? parse(row) : null;
  }

  byKey(owner: string, key: string): Job | null {
    const row = this.db.prepare("SELECT record FROM jobs WHERE owner = ? AND key = ?")
      .get(owner, key);
    return row ? parse(row) : null;
  }

  /** Jobs in one of these states, oldest first. */
  inStates(...states: JobState[]): Job[] {
    const marks = states.map(() => "?").join(", ");
    return this.db.prepare(`SELECT record FROM jobs WHERE state IN (${marks}) ORDER BY seq`)
      .all(...states).map(parse);
  }

  /** How many jobs there are in each state that has some. */
  counts(): Partial<Record<JobState, number>> {
    const rows = this.db.prepare("SELECT state, count(*) AS n FROM jobs GROUP BY state").all();
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  page({ state, before = Number.MAX_SAFE_INTEGER, limit }: PageOptions): Page {
    const rows = this.db.prepare(
      `SELECT seq, record FROM jobs WHERE seq < ? AND (? IS NULL OR state = ?)
       ORDER BY seq DESC LIMIT ?`,
    ).all(before, state ?? null, state ?? null, limit + 1);
    const shown = rows.slice(0, limit);
    return {
      jobs: shown.map(parse),
      next: rows.length > limit ? Number(shown.at(-1)!.seq) : null,
    };
  }

  delete(id: string): void {
    this.db.prepare("DELETE FROM jobs WHERE id = ?").run(id);
  }

  /** Throws where the disk takes no more. */
  probe(): void {
    this.db.exec("BEGIN IMMEDIATE; UPDATE jobs SET state = state WHERE seq = -1; COMMIT");
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

function prepare(db: DatabaseSync, path: string): void {
  try {
    // Exclusive: two processes that run the same jobs would write to the same folders.
    db.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
    );
    const { user_version: found } = db.prepare("PRAGMA user_version").get() as {
      user_version: number;
    };
    if (found > LAYOUT) {
      throw new UserError(
        `Cannot open "${path}": a later release of nada wrote it (layout ${found}, this one knows ` +
          `${LAYOUT}); start that release, or name another folder with --data`,
      );
    }
    db.exec(`BEGIN IMMEDIATE; ${SCHEMA}; PRAGMA user_version = ${LAYOUT}; COMMIT`);
  } catch (error) {
    if (!/database is locked/.test((error as Error).message)) throw error;
    throw new UserError(
      `Cannot open "${path}": another nada serve uses it; stop that one, or name another folder ` +
        `with --data`,
      { cause: error },
    );
  }
}

type Row = Record<string, SQLOutputValue>;

function parse({ record }: Row): Job {
  return JSON.parse(record as string);
}

function checksumOf(record: string): string {
  return createHash("sha256").update(record).digest("hex");
}

/** Whether a row is what was once written. */
function isWhole({ id, state, owner, key, record, checksum }: Row): boolean {
  if (typeof record !== "string" || checksumOf(record) !== checksum) return false;
  const job = parse({ record });
  return job.id === id && job.state === state && job.owner === owner && job.idempotencyKey === key;
}
