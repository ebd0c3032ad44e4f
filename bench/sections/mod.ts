/** What can be measured, by name, in the order in which it is. */
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import type { Case } from "../case.ts";
import { Running } from "../running.ts";
import type { Opener } from "../subject.ts";
import { clipCases } from "./clip.ts";
import { convCases } from "./conv.ts";
import { dispatchOpeners } from "./dispatch.ts";
import { filterCases } from "./filter.ts";
import { generatorCases } from "./generator.ts";
import { loadOpeners } from "./load.ts";
import { matmulCases } from "./matmul.ts";
import { sampleCases } from "./sample.ts";
import { startOpeners } from "./start.ts";
import { stepCases } from "./step.ts";

/** Which subjects: `large` adds those that take minutes on a CPU. */
interface Asked {
  readonly large: boolean;
  readonly precision: Precision;
}

/** Subjects of a section. Without a device they can be counted, and not opened. */
type Section = (gpu: Gpu | null, asked: Asked) => Promise<Opener[]>;

type Cases = (large: boolean, precision: Precision) => Case[] | Promise<Case[]>;

const programs = (cases: Cases): Section => {
  return async (gpu, { large, precision }) =>
    (await cases(large, precision)).map((each) => {
      const test = { ...each, program: () => ({ ...each.program(), precision }) };
      return {
        name: test.name,
        program: test.program,
        open: () => Running.create(gpu!, test),
      };
    });
};

export const SECTIONS = {
  matmul: programs(matmulCases),
  conv: programs(convCases),
  filter: programs(filterCases),
  generator: programs(generatorCases),
  clip: programs(clipCases),
  step: programs(stepCases),
  sample: programs(sampleCases),
  start: () => Promise.resolve(startOpeners()),
  load: (gpu) => Promise.resolve(loadOpeners(gpu!)),
  dispatch: (gpu) => Promise.resolve(dispatchOpeners(gpu!)),
} as const satisfies Record<string, Section>;

export type SectionName = keyof typeof SECTIONS;
