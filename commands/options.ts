/** Options that commands share, and how values of options are read. */
import { InvalidArgumentError, Option } from "commander";
import { clipPath } from "../models/catalog.ts";

export function noiseOption(description: string, preset: "random" | "const"): Option {
  return new Option("--noise <mode>", description)
    .choices(["random", "const", "none"]).default(preset);
}

export function clipResizeOption(): Option {
  return new Option("--clip-resize <kind>", "how images are resized for CLIP")
    .choices(["bicubic", "bicubic-antialias"]).default("bicubic");
}

export function classOption(): Option {
  return new Option("--class <n>", "of the generator, where its images are of classes")
    .argParser(parseWhole);
}

export function parseWhole(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 1e9) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 on.");
}

export function parseCount(text: string): number {
  if (/^\d+$/.test(text) && Number(text) > 0 && Number(text) <= 1e9) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1 on.");
}

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number.");
}

export function parsePositive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}

export function parseSeed(text: string): number {
  if (/^\d+$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}

/** An option that takes one of some values. */
export function choice(flags: string, description: string, values: readonly string[]): Option {
  return new Option(flags, description).choices(values);
}

/** For --clip, where it may be given several times or takes several values. */
export function collectClips(given: string, before: string[] = []): string[] {
  return [...before, clipPath(given)];
}

/** For an option that may be given several times. */
export function collectTexts(given: string, before: string[] = []): string[] {
  return [...before, given];
}

/** The same for numbers. */
export function collectNumbers(text: string, before: number[] = []): number[] {
  return [...before, parseNumber(text)];
}
