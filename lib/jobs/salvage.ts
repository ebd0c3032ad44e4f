/** What is to be done about a damaged SQLite file: keep what is whole, set the rest aside. */
import { existsSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { UserError } from "../errors.ts";

type Row = Record<string, SQLOutputValue>;

const FILES = ["", "-wal"];

/**
 * Checks the table `jobs` of the file, if it is there. Where it is damaged, the file goes to
 * `<path>.damaged-<time>` and a new one takes its place with every row that `isWhole` agrees to.
 * Returns what was wrong, a line each.
 */
export function salvage(
  path: string,
  prepare: (db: DatabaseSync) => void,
  isWhole: (row: Row) => boolean,
): string[] {
  if (!existsSync(path)) return [];
  const { rows, damage } = read(path, isWhole);
  if (damage.length === 0) return [];

  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  const fresh = `${path}.new`;
  FILES.forEach((end) => existsSync(fresh + end) && Deno.removeSync(fresh + end));
  const db = new DatabaseSync(fresh);
  prepare(db);
  for (const { id, state, owner, key, record, checksum } of rows) {
    db.prepare(
      "INSERT OR IGNORE INTO jobs (id, state, owner, key, record, checksum) VALUES (?, ?, ?, ?, ?, ?)",
    ).run(id!, state!, owner!, key!, record!, checksum!);
  }
  db.close(); // and with it the log goes into the file
  FILES.forEach((end) => existsSync(path + end) && Deno.renameSync(path + end, aside + end));
  Deno.renameSync(fresh, path);
  return [...damage, `the damaged file is kept as "${aside}"; ${rows.length} records were saved`];
}

function read(path: string, isWhole: (row: Row) => boolean): { rows: Row[]; damage: string[] } {
  const rows: Row[] = [];
  const damage: string[] = [];
  const note = (error: unknown) => damage.push((error as Error).message);
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; ROLLBACK");
  } catch (error) {
    if (/locked/.test((error as Error).message)) throw inUse(path, error);
    return { rows, damage: [(error as Error).message] };
  }
  try {
    const found = db.prepare("PRAGMA integrity_check").all()
      .map((row) => String(row.integrity_check)).filter((text) => text !== "ok");
    damage.push(...found);
    const isThere = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'jobs'").get();
    if (!isThere) return { rows, damage };
    // One at a time, so that a page that cannot be read costs no more than its own rows.
    const last = Number(db.prepare("SELECT max(seq) AS last FROM jobs").get()?.last ?? 0);
    const one = db.prepare("SELECT * FROM jobs WHERE seq = ?");
    for (let seq = 1; seq <= last; seq++) {
      try {
        const row = one.get(seq);
        if (!row) continue;
        if (isWhole(row)) rows.push(row);
        else damage.push(`record ${seq} does not have the checksum that it was written with`);
      } catch (error) {
        note(error);
      }
    }
  } catch (error) {
    note(error);
  } finally {
    db.close();
  }
  return { rows, damage };
}

function inUse(path: string, cause: unknown): UserError {
  return new UserError(
    `Cannot open "${path}": another nada serve uses it; stop that one, or name another folder ` +
      `with --data`,
    { cause },
  );
}
