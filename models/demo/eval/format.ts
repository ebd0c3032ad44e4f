/** Figures as words. */
import type { Figures } from "./figures.ts";

/** "17.2 %", "100 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0.9995 || share === 0 ? 0 : 1)} %`;
}

/** Classifier share, Fréchet distance, content and diversity. */
export function cells({ share, style, content, diversity }: Figures): string[] {
  return [percent(share), style.toFixed(2), percent(content), diversity.toFixed(2)];
}
