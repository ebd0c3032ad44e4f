/** From figures to a word. */
import type { Figures } from "./figures.ts";

/** What an adaptation has to reach to be called convincing. */
export const BAR = { share: 0.7, content: 0.6, diversity: [0.7, 1.3] } as const;

/** Below this share nobody would name the style, whatever else is right. */
const SOME_STYLE = BAR.share / 2;

export type Judgement = "convincing" | "partly" | "not yet convincing";

/**
 * "convincing" where style, content and diversity reach the bar; "partly" where one of them does
 * not, as long as half the wanted share takes the style. Pictures that did not change at all keep
 * content and diversity, so these two alone are worth nothing.
 */
export function judge({ share, content, diversity }: Figures): Judgement {
  const [least, most] = BAR.diversity;
  const reached = [
    share >= BAR.share,
    content >= BAR.content,
    diversity >= least && diversity <= most,
  ].filter((good) => good).length;
  if (reached === 3) return "convincing";
  return reached === 2 && share >= SOME_STYLE ? "partly" : "not yet convincing";
}
