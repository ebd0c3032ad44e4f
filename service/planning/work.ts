/** Planning of runs, which for large models takes seconds of a thread. */
import type { PlanTarget } from "../../models/nada/cost.ts";
import type { AdaptOptions } from "../../models/nada/options.ts";

export interface PlanningWork {
  /** Throws a DoesNotFitError for a run that takes more memory than there is in all. */
  checkFits(args: FitWork): Promise<void>;
}

export interface FitWork extends PlanTarget {
  readonly options: AdaptOptions;
  readonly memoryBytes: number;
}
