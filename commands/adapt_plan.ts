/** `nada adapt --plan`: what a run would cost, without a device. */
import { GpuError } from "../lib/errors.ts";
import { planTarget } from "../lib/gpu/device.ts";
import { type PlanTarget, type RunCost, runCost } from "../models/nada/cost.ts";
import { type AdaptOptions, checkOptions } from "../models/nada/options.ts";

/** What WebGPU promises on every adapter. */
const PROMISED = {
  name: "none here; planned for the limits that every adapter has",
  kind: "gpu",
  limits: {
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 28,
    storageBuffers: 8,
    joinsLaunches: true,
    halves: false,
  },
} as const;

/** Prints the plan of a run. Throws a UserError for options and files that are no good. */
export async function printPlan(
  options: AdaptOptions,
  { json }: { json?: boolean },
): Promise<void> {
  checkOptions(options);
  const target = await planTarget().catch((error) => {
    if (error instanceof GpuError) return PROMISED;
    throw error;
  });
  const cost = await runCost(options, target);
  if (json) return console.log(JSON.stringify({ event: "plan", ...cost }));
  const other = cost.precision === "f32" ? "f16" : "f32";
  const otherCost = target.limits.halves
    ? await runCost({ ...options, precision: other }, target)
    : null;
  console.log(planLines(cost, otherCost, target).join("\n"));
}

/** The plan for people, beside that in the other precision, where the adapter has it. */
export function planLines(
  { resolution, batch, precision, step, memory }: RunCost,
  other: RunCost | null,
  { name, limits }: PlanTarget & { name: string },
): string[] {
  return [
    `Adapter     ${name}`,
    `Step        ${resolution}x${resolution}, batch ${batch}`,
    `Dispatches  ${step.dispatches}`,
    `Operations  ${scaled(step.operations, "FLOP")}`,
    `Traffic     ${scaled(step.bytes, "B")} read and written`,
    `Precision   ${precision}${
      other === null
        ? ""
        : `; in ${other.precision} it would be ${scaled(other.step.bytes, "B")} of traffic, ${
          scaled(other.memory.peak, "B")
        } of memory`
    }`,
    `Bindings    up to ${scaled(step.bindingBytes, "B")}, ${
      scaled(limits.bindingBytes, "B")
    } allowed`,
    `Memory      ${scaled(memory.peak, "B")} at most, of it`,
    `            ${scaled(memory.generators, "B")} generators and optimiser`,
    `            ${scaled(memory.clips, "B")} CLIP`,
    `            ${scaled(memory.step, "B")} what a step computes on the way`,
    ...memory.choice > 0
      ? [`            ${scaled(memory.choice, "B")} what the choice of layers computes`]
      : [],
    `            ${scaled(memory.grid, "B")} the same for drawing samples`,
  ];
}

/** Three digits with the unit's prefix: "1.47 TFLOP". */
function scaled(value: number, unit: string): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${
    ["", "k", "M", "G", "T"][power]
  }${unit}`;
}
