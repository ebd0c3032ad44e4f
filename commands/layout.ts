/** How commands lay out what they print. */

/** Reports are no wider than this, also where a terminal is. */
export const WIDTH = 80;

/** Columns for a report on stdout: those of a narrow terminal, else `WIDTH`. */
export function reportWidth(): number {
  if (!Deno.stdout.isTerminal()) return WIDTH;
  try {
    return Math.min(WIDTH, Deno.consoleSize().columns || WIDTH);
  } catch {
    return WIDTH; // no stream is the terminal's own
  }
}

/** Breaks at spaces; a word longer than a line gets one to itself, in pieces. */
export function wrap(text: string, width: number): string[] {
  const pattern = new RegExp(`\\S.{0,${width - 1}}(?=\\s|$)|\\S{1,${width}}`, "g");
  return text.match(pattern)?.map((line) => line.trimEnd()) ?? [];
}

/** A line of a report. */
export type Field = readonly [name: string, value: string];

/** Names and values in two columns, long values wrapped. */
export function fieldLines(
  fields: readonly Field[],
  width: number,
): string[] {
  const indent = Math.max(...fields.map(([name]) => name.length)) + 2;
  return fields.flatMap(([name, value]) => {
    const [first = "", ...rest] = wrap(value, Math.max(20, width - indent));
    return [name.padEnd(indent) + first, ...rest.map((line) => " ".repeat(indent) + line)];
  });
}

/** Without what could steer a terminal: names and texts come from files of strangers. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}

/** "271.3 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** "30370219" → "30,370,219". */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 layer", "2 layers". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** "7 s", "3:07", "1:02:33" for a time in seconds. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** Fits a text into `width` columns, with an ellipsis where it is cut. */
export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
