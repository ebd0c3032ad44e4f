import { useEffect, useState } from "preact/hooks";
import { online } from "./api.ts";

export interface Loaded<T> {
  readonly value: T | null;
  readonly error: Error | null;
  again(): void;
}

/** What a request gives; asked again where `keys` change, and when the server is back. */
export function useLoaded<T>(load: () => Promise<T>, keys: readonly unknown[] = []): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (!online.value) return;
    let isWanted = true;
    load().then(
      (loaded) => isWanted && (setValue(loaded), setError(null)),
      (reason) => isWanted && setError(reason),
    );
    return () => {
      isWanted = false;
    };
  }, [...keys, count, online.value]);
  return { value, error, again: () => setCount(count + 1) };
}
