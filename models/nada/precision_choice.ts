/** In which precision a run trains: as asked for, or by a look at what its first steps come to in both. */
import type { AdapterKind, Limits } from "../../lib/gpu/device.ts";
import { type Precision, PRECISIONS } from "../../lib/graph/precision.ts";
import type { StepInputs, Training } from "./training.ts";

export const PRECISION_CHOICES = ["auto", ...PRECISIONS] as const;
export type PrecisionChoice = typeof PRECISION_CHOICES[number];

/** Steps that "auto" takes in both, from the same start, and how far their losses may be apart. */
export const COMPARED_STEPS = 3;
export const LOSS_TOLERANCE = 5e-3;

/**
 * What a choice comes to if nothing speaks against it. "auto" means f16 on a GPU that has it; software
 * adapters compute in f32 whatever is stored, and would only lose time.
 */
export function likelyPrecision(
  choice: PrecisionChoice,
  { kind, limits }: { readonly kind: AdapterKind; readonly limits: Limits },
): Precision {
  if (choice !== "auto") return choice;
  return kind !== "cpu" && limits.halves === true ? "f16" : "f32";
}

/** What is asked of a training here. */
type Comparable = Pick<Training, "run" | "read" | "restore" | "dispose" | "lossScale">;

export interface Agreed<T extends Comparable> {
  readonly training: T;
  readonly precision: Precision;
  /** What the user should know of the choice, a line each. */
  readonly notes: readonly string[];
}

/**
 * Training in f16 where the losses of the first steps agree with those in f32, else in f32; at its
 * start in either case. `steps` gives the inputs of the first steps, as often as it is called.
 */
export async function agreedTraining<T extends Comparable>(
  create: (precision: Precision) => Promise<T>,
  steps: () => readonly StepInputs[],
): Promise<Agreed<T>> {
  const full = await create("f32");
  const { start, wanted } = await orDispose(full, async () => {
    const start = await full.read();
    return { start, wanted: await losses(full, steps()) };
  });
  // What it has trained is what the other one goes on with.
  full.restore(start);
  full.dispose();

  const half = await create("f16");
  const problem = await orDispose(half, async () => {
    let found = await losses(half, steps());
    while (found.overflowed && half.lossScale > 1) {
      half.restore({ ...start, lossScale: half.lossScale });
      found = await losses(half, steps());
    }
    half.restore({ ...start, lossScale: half.lossScale });
    return found.overflowed ? "gradients are too large" : difference(found.totals, wanted.totals);
  });
  if (problem === null) return { training: half, precision: "f16", notes: [] };
  half.dispose();
  const note = `Training in f32: in f16 ${problem}; --precision f16 takes it all the same`;
  return { training: await create("f32"), precision: "f32", notes: [note] };
}

/** Where losses are too far apart, in words; null if nowhere. */
function difference(found: readonly number[], wanted: readonly number[]): string | null {
  const apart = (loss: number, i: number) =>
    !(Math.abs(found[i]! - loss) <= LOSS_TOLERANCE * Math.abs(loss));
  const step = wanted.findIndex(apart);
  return step < 0 ? null : `the loss of step ${step} is ${found[step]} and not ${wanted[step]}`;
}

/** The result of `action`; where there is none, nothing is left on the device. */
async function orDispose<T>(training: Comparable, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    training.dispose();
    throw error;
  }
}

/** The losses of some steps, and whether any gradient was too large. */
async function losses(training: Comparable, steps: readonly StepInputs[]) {
  const totals: number[] = [];
  let overflowed = false;
  for (const step of steps) {
    const loss = await training.run(step);
    totals.push(loss.total);
    overflowed ||= loss.overflowed.length > 0;
  }
  return { totals, overflowed };
}
