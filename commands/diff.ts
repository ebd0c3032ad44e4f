import type { Command } from "commander";
import { generatorPath } from "../models/catalog.ts";
import { compareModels, type LayerDiff, type ModelDiff, openBoth } from "../models/diff.ts";
import { printable } from "./layout.ts";
import { classOption } from "./options.ts";

interface Flags {
  readonly generator?: string;
  readonly class?: number;
  readonly tensors?: boolean;
  readonly json?: boolean;
}

const NOTES = `
relative  length of the difference over the length of what FIRST has
largest   largest difference of two elements

A delta (adapted.safetensors) stands for what it makes of its generator: of the
other model, or of --generator. Of a generator with classes one is compared:
--class, or that of the delta.

Examples:
  nada diff ffhq.pt runs/sketch/adapted.safetensors
  nada diff ffhq.pkl ffhq.pt
  nada diff --generator ffhq.pt runs/a/adapted.safetensors \\
    runs/b/adapted.safetensors
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .argument("<first>", "generator, delta, or any file of tensors", generatorPath)
    .argument("<second>", "what it is compared with", generatorPath)
    .option("--generator <file>", "what deltas are changes of", generatorPath)
    .addOption(classOption())
    .option("--tensors", "list tensors instead of layers")
    .option("--json", "print everything as JSON")
    .addHelpText("after", NOTES)
    .action((first: string, second: string, flags: Flags) => run([first, second], flags));
}

async function run(
  paths: [string, string],
  { generator, class: ofClass, tensors, json }: Flags,
): Promise<void> {
  const [first, second] = await openBoth(paths, {
    base: generator ?? null,
    classIndex: ofClass ?? null,
  });
  using owned = new DisposableStack();
  owned.use(first);
  owned.use(second);
  const diff = await compareModels(first, second);
  console.log(json ? JSON.stringify(forMachines(diff)) : lines(diff, tensors ?? false).join("\n"));
}

function forMachines({ tensors, ...rest }: ModelDiff) {
  return { ...rest, tensors: tensors.map((tensor) => asRow(tensor)) };
}

type Row = Omit<LayerDiff, "layer"> & { readonly name: string };

function asRow({ name, squares, differenceSquares, largest }: ModelDiff["tensors"][number]): Row {
  const relative = differenceSquares === 0 ? 0 : Math.sqrt(differenceSquares / squares);
  return { name, tensors: 1, changed: Number(largest !== 0), relative, largest };
}

function lines(diff: ModelDiff, byTensor: boolean): string[] {
  const { tensors, layers, onlyFirst, onlySecond, otherShape } = diff;
  const changed = tensors.filter(({ largest }) => largest !== 0).length;
  const rows = byTensor
    ? tensors.map(asRow)
    : layers.map(({ layer, ...rest }): Row => ({ name: layer, ...rest }));
  const moved = rows.filter((row) => row.changed > 0);
  const table = moved.length === 0 ? [] : ["", ...tableOf(moved, byTensor)];
  return [
    `${changed} of ${tensors.length} tensors differ` +
    (moved.length > 0 && !byTensor ? `, in ${moved.length} of ${layers.length} layers` : ""),
    ...table,
    ...named("Only in the first", onlyFirst),
    ...named("Only in the second", onlySecond),
    ...named(
      "Of another shape",
      otherShape.map(({ name, first, second }) => `${name} [${first}] and [${second}]`),
    ),
  ];
}

/** Columns of names and of each number. */
const COLUMN = 11;

function tableOf(rows: readonly Row[], byTensor: boolean): string[] {
  const name = Math.max(...rows.map((row) => printable(row.name).length), "tensor".length) + 1;
  const line = (first: string, ...cells: string[]) =>
    first.padEnd(name) + cells.map((cell) => cell.padStart(COLUMN)).join("");
  const number = (value: number) => value.toExponential(2);
  return [
    byTensor
      ? line("tensor", "relative", "largest")
      : line("layer", "tensors", "relative", "largest"),
    ...rows.map((row) =>
      line(
        printable(row.name),
        ...byTensor ? [] : [`${row.changed} of ${row.tensors}`],
        number(row.relative),
        number(row.largest),
      )
    ),
  ];
}

/** As many names as one looks through; --json has all. */
const SOME = 10;

function named(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const rest = names.length - SOME;
  return [
    "",
    `${title}:`,
    ...names.slice(0, SOME).map((name) => `  ${printable(name)}`),
    ...rest > 0 ? [`  and ${rest} more`] : [],
  ];
}
