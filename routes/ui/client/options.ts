/** Every option of an adaptation that the drawer has: the one place that knows their names and help. */

interface About {
  /** In the address. */
  readonly name: string;
  /** Where a request has it; under its name where this is left out. */
  readonly path?: readonly [group: string, field: string];
  readonly label: string;
  /** What it does, in one line. */
  readonly help: string;
  /** What holds where nothing is asked for, in words; the value of the facts where it is left out. */
  readonly otherwise?: string;
}

export interface NumberOption extends About {
  readonly kind: "number";
  readonly min: number;
  readonly max?: number;
}

export interface ChoiceOption extends About {
  readonly kind: "choice";
}

/** Words with commas between. */
export interface ListOption extends About {
  readonly kind: "list";
}

export type Option = NumberOption | ChoiceOption | ListOption;

/** Options that belong together, under a heading. */
export interface OptionGroup {
  readonly title: string;
  readonly options: readonly Option[];
}

const number = (
  name: string,
  label: string,
  help: string,
  [min, max]: readonly [min: number, max?: number],
  more: Partial<About> = {},
): NumberOption => ({
  kind: "number",
  name,
  label,
  help,
  min,
  ...max !== undefined && { max },
  ...more,
});

const choice = (
  name: string,
  label: string,
  help: string,
  more: Partial<About> = {},
): ChoiceOption => ({ kind: "choice", name, label, help, ...more });

const weight = (part: string, help: string) =>
  number(`lambda_${part}`, `Weight: ${part}`, help, [0], { path: ["lambdas", part] });

const auto = (name: string, field: string, label: string, help: string, max: number, more = {}) =>
  number(name, label, help, [1, max], { path: ["auto_layers", field], ...more });

export const OPTION_GROUPS: readonly OptionGroup[] = [
  {
    title: "Training",
    options: [
      number("steps", "Steps", "More go further from the original.", [1, 10_000]),
      number("batch", "Batch", "Images that a step looks at.", [1, 32]),
      number("lr", "Learning rate", "How far a step goes.", [0, 1]),
      choice(
        "lr_schedule",
        "Rate over the run",
        "Short runs at high rates end in noise if it stays.",
      ),
      number("seed", "Seed", "Another one gives another run.", [0]),
      number("mixing", "Style mixing", "Share of steps that mix two styles; for shapes.", [0, 1]),
      choice("augmentation", "Augmentation", "Against textures that please CLIP alone."),
      choice("noise", "Noise", "The generator's own noise while it trains."),
      choice("stop_on", "Stop early", "When the loss no longer falls.", { otherwise: "never" }),
    ],
  },
  {
    title: "Loss",
    options: [
      weight("direction", "From the source towards the target: the paper's loss."),
      weight("global", "Nearness of the image to the target text."),
      weight("patch", "Nearness of small pieces of the image."),
      weight("manifold", "Keeps the distances between images."),
      choice("direction_loss", "Direction by", "How far an image went the right way."),
      number("text_weight", "Share of the text", "Where pictures are a target as well.", [0, 1]),
    ],
  },
  {
    title: "Layers",
    options: [
      choice("phase", "Part", "Trains a part of the generator only.", {
        otherwise: "all that the paper trains",
      }),
      choice("train_params", "What of the layers", "Styles alone change less, in tiny files."),
      {
        kind: "list",
        name: "train_layers",
        label: "Layers by name",
        help: "Names or their beginnings, as in convs.2, convs.3.",
        otherwise: "those of the part",
      },
      auto("auto_layers", "count", "Chosen for each step", "Trains those that move most.", 64, {
        otherwise: "all of them",
      }),
      auto("auto_iterations", "iterations", "Steps behind a choice", "More choose better.", 100),
      auto("auto_batch", "batch", "Latents behind a choice", "More choose better.", 64),
      auto("auto_every", "every", "Steps that a choice holds", "More are quicker.", 10_000),
      choice("frozen_adam", "Adam of other layers", "Stands still, or decays as if trained."),
    ],
  },
  {
    title: "Previews and queue",
    options: [
      number("preview_every", "Preview every", "Steps between two previews.", [0, 10_000]),
      number("preview_count", "Images in a preview", "Seeds from 0 on.", [1, 32]),
      number(
        "preview_truncation",
        "Truncation of previews",
        "1 for all variety, 0 for the mean image.",
        [-2, 2],
      ),
      number("priority", "Priority", "Higher ones are started first.", [-10, 10]),
    ],
  },
];

export const OPTIONS: readonly Option[] = OPTION_GROUPS.flatMap(({ options }) => options);

/** Where a request has an option. */
export function pathOf({ name, path }: Option): readonly string[] {
  return path ?? [name];
}
