/** What the server tells the page with its first bytes. */
export interface Facts {
  /** What holds for the demo generator, and for others. */
  readonly demo: Defaults;
  readonly others: Defaults;
  readonly presets: readonly Preset[];
  /** What options that are a choice can be, by their names. */
  readonly choices: Readonly<Record<string, readonly string[]>>;
  /** Targets within reach of the demo, and of a generator of photographs. */
  readonly examples: { readonly demo: readonly string[]; readonly others: readonly string[] };
}

/** Values of options where nothing is asked for, by their names in the address. */
export type Defaults = Readonly<Record<string, string | number>>;

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly options: object;
}
