/** What the server tells the page with its first bytes. */
export interface Facts {
  /** What holds for the demo generator, and for others. */
  readonly demo: Defaults;
  readonly others: Defaults;
  readonly presets: readonly Preset[];
  readonly phases: readonly string[];
  readonly trainParams: readonly string[];
  readonly augmentations: readonly string[];
  /** Targets within reach of the demo, and of a generator of photographs. */
  readonly examples: { readonly demo: readonly string[]; readonly others: readonly string[] };
}

/** Values of options where nothing is asked for. */
export interface Defaults {
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  readonly mixing: number;
  readonly augmentation: string;
  readonly noise: string;
  readonly train_params: string;
  readonly preview_every: number;
  readonly preview_count: number;
  readonly preview_truncation: number;
  readonly lambdas: Readonly<Record<"direction" | "global" | "patch" | "manifold", number>>;
}

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly options: object;
}
