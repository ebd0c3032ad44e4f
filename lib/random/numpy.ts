import { UserError } from "../errors.ts";

/** The numbers of `numpy.random.RandomState(seed)`: MT19937 and numpy's legacy distributions. */
export class RandomState {
  readonly #words = new Uint32Array(WORDS);
  #next = WORDS;
  /** The second Gaussian of a pair, kept for the next call as numpy does. */
  #spare: number | undefined;

  /** Takes any whole number from 0 to 2^32 - 1, like numpy; throws `UserError` for others. */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new UserError(`Cannot use seed ${seed}: seeds are whole numbers from 0 to 4294967295`);
    }
    const words = this.#words;
    words[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const previous = words[i - 1]!;
      words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /**
   * `count` standard Gaussians. About one in 3,000 parts from numpy's in the last bit of float64,
   * where `Math.log` rounds otherwise than the C library behind numpy (libraries differ as well);
   * in float32, which models take, they are the same.
   */
  randn(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.#gaussian());
  }

  /** `count` uniform numbers in [0, 1). */
  randomSample(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.#uniform());
  }

  /** Marsaglia's polar method; the pair comes out second number first. */
  #gaussian(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    let x, y, r2;
    do {
      x = 2 * this.#uniform() - 1;
      y = 2 * this.#uniform() - 1;
      r2 = x * x + y * y;
    } while (r2 >= 1 || r2 === 0);
    const scale = Math.sqrt(-2 * Math.log(r2) / r2);
    this.#spare = scale * x;
    return scale * y;
  }

  /** 53 random bits, the upper 27 first. */
  #uniform(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** 32 random bits. */
  #word(): number {
    if (this.#next === WORDS) this.#advance();
    let word = this.#words[this.#next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  #advance(): void {
    const words = this.#words;
    for (let i = 0; i < WORDS; i++) {
      const joined = (words[i]! & 0x80000000) | (words[(i + 1) % WORDS]! & 0x7fffffff);
      words[i] = words[(i + OFFSET) % WORDS]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/** Size of the state, and how far apart the words are that make a new one (MT19937). */
const WORDS = 624;
const OFFSET = 397;
