/** Deleting with a way back: nothing is deleted before the time for "Undo" is over. */
import { signal } from "@preact/signals";
import { remove } from "./api.ts";
import { say } from "./toast.ts";

const UNDO_MS = 6000;

/** Ids that are to be deleted, and no longer shown. */
export const leaving = signal<ReadonlySet<string>>(new Set());
const timers = new Map<string, number>();

export function deleteSoon(id: string, name: string): void {
  leaving.value = new Set([...leaving.value, id]);
  timers.set(id, setTimeout(() => deleteNow(id), UNDO_MS));
  say(`Deleted “${name}”`, () => keep(id));
}

function keep(id: string): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  leaving.value = new Set([...leaving.value].filter((other) => other !== id));
}

async function deleteNow(id: string): Promise<void> {
  clearTimeout(timers.get(id));
  if (!timers.delete(id)) return;
  try {
    await remove(id);
  } catch (error) {
    keep(id);
    say((error as Error).message);
  }
}

addEventListener("pagehide", () => [...timers.keys()].forEach(deleteNow));
