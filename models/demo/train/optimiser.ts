/** Parameters on the device that losses move: Adam, limited gradients and running means. */
import { UserError } from "../../../lib/errors.ts";
import type { Gpu } from "../../../lib/gpu/device.ts";
import { DeviceTensor, readAll } from "../../../lib/graph/device_tensor.ts";
import { grad } from "../../../lib/graph/grad.ts";
import {
  adamw,
  type AdamwAttrs,
  adamwHyper,
  add,
  assign,
  div,
  maximum,
  mul,
  reshape,
  sqrt,
  square,
  sub,
  sum,
} from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, type HostArray, input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { keptName, type Kind, KINDS, type TrainState, type Values } from "./values.ts";

/** Of the running means, once there were enough steps. */
const MEAN_DECAY = 0.998;

/** The leaf of a parameter. Leaves of one name are one value, yet each has a gradient of its own. */
export function weightLeaf(name: string, shape: readonly number[]): Tensor {
  return state(keptName("weight", name), shape);
}

/** Parameters that learn alike. */
export interface Group {
  /** Their leaves, by name. */
  readonly leaves: Readonly<Record<string, Tensor>>;
  /** Of the step's learning rate. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  /** The step from which they are trained. */
  readonly since: number;
}

/** What is made smaller. */
export interface Problem {
  /** Losses that are added; the gradient of each is limited to a norm first. */
  readonly terms: readonly { readonly loss: Tensor; readonly limit: number }[];
  /** The norm that their sum is limited to. */
  readonly limit: number;
  readonly groups: readonly Group[];
  readonly adam: Pick<AdamwAttrs, "beta1" | "beta2">;
  /** The step from which running means are taken. */
  readonly meansSince: number;
}

export class Optimiser implements Disposable {
  private constructor(
    private readonly gpu: Gpu,
    private readonly problem: Problem,
    private readonly program: Program,
    private readonly kept: ReadonlyMap<string, DeviceTensor>,
  ) {}

  /** Compiles a step; the parameters start where `from` has them. */
  static async create(gpu: Gpu, problem: Problem, from: TrainState): Promise<Optimiser> {
    const kept = new Map<string, DeviceTensor>();
    try {
      await gpu.scoped(() => {
        for (const name of problem.groups.flatMap(({ leaves }) => Object.keys(leaves))) {
          const weight = from.tensors.get(keptName("weight", name))!;
          for (const kind of KINDS) {
            const known = from.tensors.get(keptName(kind, name)) ?? atStart(kind, weight);
            const label = keptName(kind, name);
            kept.set(label, new DeviceTensor(gpu, weight.shape, label, known?.data));
          }
        }
        return Promise.resolve();
      });
      const total = problem.terms.map(({ loss }) => loss).reduce(add);
      const program = await Program.compile(gpu, {
        outputs: { total },
        updates: updates(problem, reshape(total, [1])),
        state: Object.fromEntries(kept),
      });
      return new Optimiser(gpu, problem, program, kept);
    } catch (error) {
      kept.forEach((tensor) => tensor.dispose());
      throw error;
    }
  }

  /** What is kept on the device, by the names of its leaves. */
  get states(): ReadonlyMap<string, DeviceTensor> {
    return this.kept;
  }

  /** One step, number `step` from 0 on. Returns the loss before it; throws where that is no number. */
  async run(
    inputs: Readonly<Record<string, HostArray>>,
    { step, lr }: { step: number; lr: number },
  ): Promise<number> {
    const { groups, adam, meansSince } = this.problem;
    const count = step - meansSince;
    const own = {
      follow: Float32Array.of(1 - Math.min(MEAN_DECAY, count / (count + 10))),
      ...Object.fromEntries(groups.map(({ rate, decay, since }, i) => [
        `hyper/${i}`,
        adamwHyper(adam, { t: step - since + 1, lr: rate * lr, decay }),
      ])),
    };
    const { total } = await this.program.run({ ...inputs, ...own }, { read: ["total"] });
    const loss = total![0]!;
    if (Number.isFinite(loss)) return loss;
    throw new UserError(
      `Cannot train on: the loss of step ${step} is ${loss}; go on from the last state that was ` +
        `saved, or start again with another seed`,
    );
  }

  /** The state after `step` steps; what is not trained here stays as it was in `before`. */
  async read(step: number, before: TrainState): Promise<TrainState> {
    const data = await readAll(this.gpu, [...this.kept.values()]);
    const tensors = this.kept.entries().map(([name, { shape }], i): [string, Values] => [
      name,
      { shape, data: data[i]! },
    ]);
    return { step, tensors: new Map([...before.tensors, ...tensors]) };
  }

  [Symbol.dispose](): void {
    this.program.dispose();
    this.kept.forEach((tensor) => tensor.dispose());
  }
}

/** A kept tensor before the first step; zeros where it has no data. */
function atStart(kind: Kind, weight: Values): Values | undefined {
  return kind === "mean" ? weight : undefined;
}

function updates({ terms, limit, groups, adam }: Problem, guard: Tensor) {
  const leaves = groups.flatMap((group, i) =>
    Object.entries(group.leaves).map(([name, leaf]) => ({ name, leaf, hyper: hyper(i) }))
  );
  const gradients = limited(
    terms.map((term) => limited(grad(term.loss, leaves.map(({ leaf }) => leaf)), term.limit))
      .reduce((sums, more) => sums.map((sum, i) => add(sum, more[i]!))),
    limit,
  );
  const follow = input("follow", []);
  return [
    // The mean follows the weight as it is before the step.
    ...leaves.map(({ name, leaf }) => {
      const mean = state(keptName("mean", name), leaf.shape);
      return assign({ state: mean, value: add(mean, mul(sub(leaf, mean), follow)) }, {});
    }),
    ...leaves.map(({ name, leaf: w, hyper }, i) => {
      const m = state(keptName("first", name), w.shape);
      const v = state(keptName("second", name), w.shape);
      return adamw({ w, m, v, g: gradients[i]!, hyper, guard }, { ...adam, eps: 1e-8 });
    }),
  ];
}

const hyper = (group: number) => input(`hyper/${group}`, [3]);

/** Gradients that together have at most a norm of `limit`. */
function limited(gradients: Tensor[], limit: number): Tensor[] {
  if (limit === Infinity) return gradients;
  const norm = sqrt(gradients.map((g) => sum(square(g))).reduce(add));
  const scale = div(constant(limit), maximum(norm, constant(limit)));
  return gradients.map((g) => mul(g, scale));
}
