/**
 * Adaptations that run while the CLIP is trained, one for each style: shifts of the generator's style
 * vectors that follow the CLIP's own gradient, as in a real run, and start afresh after a while with
 * another learning rate.
 */
import { vjp } from "../../../lib/graph/grad.ts";
import { add, assign, div, matmul, mul, sqrt, square, sub } from "../../../lib/graph/ops/mod.ts";
import { type HostArray, input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import type { Update } from "../../../lib/graph/update.ts";
import type { FixedGenerator } from "./generator_weights.ts";
import type { Beside } from "./optimiser.ts";
import { StepRandom } from "./random.ts";
import { OTHERS } from "./scenes.ts";

/** Of Adam without a first moment, as adaptations use it. */
const BETA = 0.99 ** 0.8;
const EPSILON = 1e-8;
const RATE = 0.022;
/** The shortest and the longest run, in steps. */
const [SHORTEST, LONGEST] = [40, 140];

interface Run {
  readonly steps: number;
  readonly rate: number;
}

/** What one step of training does, by style. */
interface Turn {
  /** Indices of the styles whose adaptation is shown and makes a step. */
  readonly styles: readonly number[];
  /** `[OTHERS, 1]`: whether it makes a step, its rate, Adam's correction, whether it goes on after. */
  readonly inputs: Readonly<
    Record<"runs" | "run rate" | "run correction" | "goes on", Float32Array<ArrayBuffer>>
  >;
}

export class Adaptations {
  readonly #leaves: readonly { name: string; shift: Tensor; moment: Tensor }[];
  readonly #turns: Turn[] = [];
  readonly #running = OTHERS.map((_, k) => ({ done: 0, count: 0, run: this.#runOf(k, 0) }));

  /** In each step `count` of them are shown; before step `since` they stand still. */
  constructor(
    private readonly generator: FixedGenerator,
    private readonly settings: { count: number; since: number; seed: number },
  ) {
    this.#leaves = generator.shifts.entries().map(([name, { shape }]) => ({
      name,
      shift: state(`adapted/${name}`, shape),
      moment: state(`adapted-moment/${name}`, shape),
    })).toArray();
  }

  /** What they draw for z `[n, zSize]`, where `picked` `[n, OTHERS]` says whose turn it is. */
  draw(z: Tensor, picked: Tensor): Tensor {
    const shifts = this.#leaves.map(({ name, shift }) =>
      [name, matmul({ a: picked, b: shift }, {})] as const
    );
    return this.generator.draw(z, Object.fromEntries(shifts));
  }

  /** One step of those that were drawn, along the gradient of the score, of `size` pictures each. */
  beside(drawn: Tensor, gradient: Tensor, size: number): Beside {
    const of = (name: keyof Turn["inputs"]) => input(name, [OTHERS.length, 1]);
    const shifts = this.#leaves.map(({ shift }) => shift);
    const gradients = vjp(drawn, mul(gradient, -1 / size), shifts);
    const updates = this.#leaves.flatMap(({ shift, moment }, i): Update[] => {
      const g = gradients[i]!;
      const more = mul(sub(square(g), moment), 1 - BETA);
      const v = add(moment, mul(more, of("runs")));
      const length = add(sqrt(mul(v, of("run correction"))), EPSILON);
      const moved = sub(shift, mul(div(g, length), of("run rate")));
      return [[shift, moved], [moment, v]].map(([state, value]) =>
        assign({ state: state!, value: mul(value!, of("goes on")) }, {})
      );
    });
    const shapes = this.#leaves.flatMap(({ shift, moment }) =>
      [shift, moment].map(({ source, shape }) =>
        [source.kind === "state" ? source.name : "", shape] as const
      )
    );
    return { shapes: Object.fromEntries(shapes), updates };
  }

  /** Which styles' adaptations a step shows. */
  stylesAt = (step: number): readonly number[] => this.#turnAt(step).styles;

  inputs = (step: number): Record<string, HostArray> => this.#turnAt(step).inputs;

  /** Turns follow from the seed alone, so that training goes on the same after a stop. */
  #turnAt(step: number): Turn {
    while (this.#turns.length <= step) this.#turns.push(this.#next(this.#turns.length));
    return this.#turns[step]!;
  }

  #next(step: number): Turn {
    const { count, since } = this.settings;
    const each = (value: number) => new Float32Array(OTHERS.length).fill(value);
    const inputs = {
      runs: each(0),
      "run rate": each(0),
      "run correction": each(1),
      "goes on": each(1),
    };
    const styles = Array.from({ length: count }, (_, i) => (count * step + i) % OTHERS.length);
    if (step < since) return { styles, inputs };
    for (const k of styles) {
      const own = this.#running[k]!;
      own.done++;
      inputs.runs[k] = 1;
      inputs["run rate"][k] = own.run.rate;
      inputs["run correction"][k] = 1 / (1 - BETA ** own.done);
      if (own.done < own.run.steps) continue;
      inputs["goes on"][k] = 0;
      [own.done, own.count] = [0, own.count + 1];
      own.run = this.#runOf(k, own.count);
    }
    return { styles, inputs };
  }

  #runOf(style: number, count: number): Run {
    const random = new StepRandom(this.settings.seed, -100 - OTHERS.length * count - style);
    return {
      steps: SHORTEST + random.whole(LONGEST - SHORTEST + 1),
      rate: RATE * 2 ** (2 * random.uniform() - 1),
    };
  }
}
