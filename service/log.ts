/** What the service says of itself, on standard error: lines for people, or JSON for programs. */

export type Fields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export function createLog(format: "text" | "json", now = () => new Date()): Log {
  const write = (level: "info" | "error") => (message: string, fields: Fields = {}) => {
    const time = now().toISOString();
    if (format === "json") {
      return console.error(JSON.stringify({ time, level, message, ...fields }));
    }
    const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`).join("");
    console.error(`${time} ${level === "error" ? "error: " : ""}${message}${rest}`);
  };
  return { info: write("info"), error: write("error") };
}
