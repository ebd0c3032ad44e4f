/**
 * Runs `body` with what it prints through console.log and console.error kept back. It is given a
 * look at what console.log got so far.
 */
export async function captured<T>(
  body: (printed: () => string) => Promise<T>,
): Promise<{ result: T; out: string; err: string }> {
  const { log, error } = console;
  const out: string[] = [];
  const err: string[] = [];
  console.log = (...values: unknown[]) => void out.push(values.join(" "));
  console.error = (...values: unknown[]) => void err.push(values.join(" "));
  try {
    const result = await body(() => out.join("\n"));
    return { result, out: out.join("\n"), err: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}
