import { signal } from "@preact/signals";

export interface Toast {
  readonly text: string;
  readonly undo?: () => void;
}

const SHOWN_MS = 6000;

export const toast = signal<Toast | null>(null);
let timer = 0;

/** Says something at the edge of the page, for as long as it takes to read it. */
export function say(text: string, undo?: () => void): void {
  clearTimeout(timer);
  toast.value = { text, ...undo && { undo } };
  timer = setTimeout(() => toast.value = null, SHOWN_MS);
}

export function hush(): void {
  clearTimeout(timer);
  toast.value = null;
}
