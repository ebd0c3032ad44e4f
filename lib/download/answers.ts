/** What answers of a server mean for a download. */

/** Whether asking again would bring the same: the server knows what it was asked, and refuses. */
export function isFinal(status: number): boolean {
  return status < 500 && status !== 408 && status !== 425 && status !== 429;
}

/** Milliseconds that a server asks to wait; null where it does not say. */
export function asksToWait(headers: Headers): number | null {
  const after = headers.get("retry-after");
  if (after === null) return null;
  const seconds = Number(after);
  if (Number.isFinite(seconds)) return Math.max(0, 1000 * seconds);
  const date = Date.parse(after);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

/** A message for an answer that is final. */
export function refusal({ url, status }: Pick<Response, "url" | "status">): string {
  const start = `Cannot download "${url}": the server answers ${status}`;
  if (status === 404 || status === 410) return `${start}, there is no such file; check the address`;
  if (status === 401 || status === 403) {
    return `${start}, it does not give the file to everybody; for Hugging Face, agree to the ` +
      `model's terms there and set HF_TOKEN, or download it by hand`;
  }
  return `${start}; try another address, or download it by hand`;
}
