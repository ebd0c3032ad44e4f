/** Parameters on the device that a loss moves: Adam, Muon, and running means. */
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
  mul,
  reshape,
  slice,
  sub,
} from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import {
  type HostArray,
  input,
  type Shape,
  state,
  type Tensor,
} from "../../../lib/graph/tensor.ts";
import type { Update } from "../../../lib/graph/update.ts";
import { muonStep } from "./muon.ts";
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
  /** Adam, or Muon for matrices. */
  readonly rule: "adam" | "muon";
  /** Of the step's learning rate. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  /** The step from which they are trained. */
  readonly since: number;
}

/** What is made smaller. */
export interface Problem {
  readonly loss: Tensor;
  readonly groups: readonly Group[];
  readonly adam: Pick<AdamwAttrs, "beta1" | "beta2">;
  /** The step from which running means are taken. */
  readonly meansSince: number;
  /** What else a step changes, and is kept with the state: states that begin at zero. */
  readonly beside?: Beside;
}

export interface Beside {
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly updates: readonly Update[];
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
        const keep = (label: string, shape: Shape, start?: Values) => {
          const known = from.tensors.get(label) ?? start;
          kept.set(label, new DeviceTensor(gpu, shape, label, known?.data));
        };
        for (const { leaves, rule } of problem.groups) {
          for (const name of Object.keys(leaves)) {
            const weight = from.tensors.get(keptName("weight", name))!;
            for (const kind of KINDS) {
              // Muon has one moment.
              if (rule === "muon" && kind === "second") continue;
              keep(keptName(kind, name), weight.shape, atStart(kind, weight));
            }
          }
        }
        for (const [label, shape] of Object.entries(problem.beside?.shapes ?? {})) {
          keep(label, shape);
        }
        return Promise.resolve();
      });
      const program = await Program.compile(gpu, {
        outputs: { loss: problem.loss },
        updates: updates(problem),
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
      ...Object.fromEntries(groups.map(({ rule, rate, decay, since }, i) => {
        const [t, own] = [step - since + 1, rate * lr];
        const hyper = rule === "adam"
          ? adamwHyper(adam, { t, lr: own, decay })
          : Float32Array.of(own, 0, 1 - own * decay);
        return [`hyper/${i}`, hyper];
      })),
    };
    const loss = (await this.program.run({ ...inputs, ...own }, { read: ["loss"] })).loss![0]!;
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

function updates({ loss, groups, adam, beside }: Problem): Update[] {
  const leaves = groups.flatMap((group, i) =>
    Object.entries(group.leaves).map(([name, leaf]) => ({ name, leaf, rule: group.rule, i }))
  );
  const gradients = grad(loss, leaves.map(({ leaf }) => leaf));
  const guard = reshape(loss, [1]);
  const follow = input("follow", []);
  const kept = (kind: Kind, name: string, { shape }: Tensor) => state(keptName(kind, name), shape);
  const become = (state: Tensor, value: Tensor) => assign({ state, value }, {});
  return leaves.flatMap(({ name, leaf: w, rule, i }, k) => {
    const hyper = input(`hyper/${i}`, [3]);
    const [g, m, mean] = [gradients[k]!, kept("first", name, w), kept("mean", name, w)];
    // The mean follows the weight as it is before the step.
    const followed = become(mean, add(mean, mul(sub(w, mean), follow)));
    if (rule === "adam") {
      const v = kept("second", name, w);
      return [followed, adamw({ w, m, v, g, hyper, guard }, { ...adam, eps: 1e-8 })];
    }
    const { momentum, step } = muonStep(g, m);
    const [rate, keep] = [0, 2].map((at) => slice(hyper, [at], [1]));
    const moved = mul(sub(w, mul(step, rate!)), keep!);
    return [followed, become(m, momentum), become(w, moved)];
  }).concat(beside?.updates ?? []);
}
