/** Figures and texts for people. */
import type { AdaptationRequest, Generator, Target } from "./types.ts";

/** What an adaptation is called: by people, or else by what it was to become. */
export function nameOf({ name, target }: Pick<AdaptationRequest, "name" | "target">): string {
  return name ?? targetText(target);
}

export function generatorName({ id, kind, name, target }: Generator): string {
  return kind === "base" ? id : name ?? targetText(target);
}

export function fileSize(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib < 1 ? `${Math.max(1, Math.round(bytes / 1024))} KB` : `${mib.toFixed(1)} MB`;
}

export function targetText(target: string | readonly Target[] | null | undefined): string {
  if (target === null || target === undefined) return "your pictures";
  if (typeof target === "string") return target;
  return target.map(({ text }) => text).join(" + ");
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

export function rate(stepsPerSecond: number): string {
  return stepsPerSecond >= 1
    ? `${stepsPerSecond.toFixed(1)} steps/s`
    : `${(1 / stepsPerSecond).toFixed(1)} s/step`;
}

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 minutes ago". */
export function ago(time: string): string {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return words.format(Math.round(seconds / length), unit);
  }
  return "just now";
}
