import { fittingRun } from "../../models/nada/cost.ts";
import type { Methods } from "../calls.ts";
import type { FitWork, PlanningWork } from "./work.ts";

export class PlanningHost implements PlanningWork, Methods<PlanningWork> {
  async checkFits({ options, memoryBytes, kind, limits }: FitWork): Promise<void> {
    await fittingRun(options, { kind, limits }, () => memoryBytes);
  }
}
