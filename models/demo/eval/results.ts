/** What an evaluation leaves behind; that of the demo as it is shipped lies beside its models. */
import { UserError } from "../../../lib/errors.ts";
import type { StyleName } from "../world/mod.ts";
import type { ClipFigures } from "./clip_figures.ts";
import type { Assessment } from "./assessment.ts";
import type { CandidateFigures } from "./evaluate.ts";

export interface StyleResult {
  readonly style: StyleName;
  /** The texts of the run. */
  readonly source: string;
  readonly target: string;
  readonly figures: CandidateFigures;
}

export interface Results {
  readonly nada: string;
  readonly created: string;
  /** sha256 of the files. */
  readonly generator: string;
  readonly clip: string;
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  /** Latents, and the seed of their stream. */
  readonly samples: number;
  readonly seed: number;
  readonly classifier: Assessment;
  readonly clipFigures: ClipFigures;
  /** Each style by its short name, then some by names that no training text contains. */
  readonly styles: readonly StyleResult[];
}

export const RESULTS_URL = new URL("../results.json", import.meta.url);

/** The shipped results, null where nothing has been measured yet. */
export async function readResults(url: URL = RESULTS_URL): Promise<Results | null> {
  try {
    return JSON.parse(await Deno.readTextFile(url));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(
      `Cannot read "${url.pathname}": it is not JSON (${error.message}); write it anew with ` +
        `deno task demo:eval`,
      { cause: error },
    );
  }
}
