import { useEffect, useState } from "preact/hooks";
import { ask, online, token } from "../api.ts";

export interface PictureProps {
  /** null while it is not known yet. */
  readonly url: string | null;
  readonly alt: string;
  readonly class?: string;
}

/**
 * An image of the service. The one before stays, with its words, until the next is there, and of
 * several that were asked for the last one wins.
 */
export function Picture({ url, alt, class: name = "" }: PictureProps) {
  const [shown, setShown] = useState<{ source: string; alt: string } | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => {
    if (url === null || !online.value) return;
    const stopping = new AbortController();
    load(url, stopping.signal).then((source) => {
      if (stopping.signal.aborted) return;
      setFailed(null);
      setShown({ source, alt });
    }, (error) => {
      if (!stopping.signal.aborted) setFailed(error.message);
    });
    return () => stopping.abort();
  }, [url, alt, online.value]);
  useEffect(() => () => {
    if (shown?.source.startsWith("blob:")) URL.revokeObjectURL(shown.source);
  }, [shown]);
  if (failed !== null) {
    return <span class={`picture failed ${name}`} title={failed}>No image: {failed}</span>;
  }
  return (
    <span class={`picture ${name}`} data-loading={shown === null || undefined}>
      {shown && <img src={shown.source} alt={shown.alt} draggable={false} />}
    </span>
  );
}

/** An address that shows the image: an <img> sends no token, so with one it is fetched. */
async function load(url: string, signal: AbortSignal): Promise<string> {
  const response = await ask(url, { signal });
  const blob = await response.blob();
  if (token.value !== null) return URL.createObjectURL(blob);
  return url;
}

/** Options of an image, as the API calls them. */
export interface ImageOptions {
  readonly truncation?: number;
  readonly strength?: number;
  /** Side in pixels. */
  readonly size?: number;
  readonly class?: number;
  readonly mix?: number;
  readonly mix_from?: number;
  readonly towards?: number;
  readonly towards_by?: number;
  readonly blend?: string;
  readonly blend_by?: number;
}

/** The address of a generator's image of a seed. */
export function imageUrl(generator: string, seed: number, options: ImageOptions = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) query.set(name, String(value));
  return `/v1/generators/${encodeURIComponent(generator)}/samples/${seed}.png?${query}`;
}
