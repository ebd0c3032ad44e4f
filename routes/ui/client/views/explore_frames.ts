import { useEffect, useState } from "preact/hooks";
import { ask } from "../api.ts";

/** Asked for at a time: as many as the service draws together. */
const TOGETHER = 8;

/** Images at these addresses, in their order, as far as they have come. */
export function useFrames(urls: readonly string[]) {
  const [frames, setFrames] = useState<readonly ImageBitmap[]>([]);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const stopping = new AbortController();
    const { signal } = stopping;
    setFrames([]);
    setError(null);
    const load = async (url: string) =>
      await createImageBitmap(await (await ask(url, { signal })).blob());
    (async () => {
      for (let start = 0; start < urls.length; start += TOGETHER) {
        const group = await Promise.all(urls.slice(start, start + TOGETHER).map(load));
        if (signal.aborted) return;
        setFrames((all) => [...all, ...group]);
      }
    })().catch((reason) => signal.aborted || setError(reason));
    return () => stopping.abort();
  }, [urls.join()]);
  return { frames, error };
}
