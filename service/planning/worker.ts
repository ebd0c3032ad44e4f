/** Entry of the worker that plans. */
import { serveCalls } from "../calls.ts";
import { PlanningHost } from "./host.ts";

serveCalls(() => new PlanningHost());
