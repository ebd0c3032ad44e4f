/** Checkpoints in any layout to the weights of a generator. */
import { sameShape, type Shape } from "../../lib/graph/tensor.ts";
import { chooseClass, type ClassChoice } from "../generator/condition.ts";
import type { StoredTensor, TensorSource, Weights } from "../generator/generator.ts";
import { TensorReader } from "../generator/tensor_reader.ts";
import {
  type Architecture,
  architecture,
  kernelNames,
  noiseShapes,
  parameterShapes,
  UPSAMPLING_KERNEL,
} from "./architecture.ts";
import { EMBED, type Layout, MEAN, renamed } from "./layouts.ts";
import { drawnNoises } from "./noise.ts";
import { whyNotGenerator } from "./recognise.ts";
import { type Settings, settingsOf } from "./settings.ts";

/**
 * Reads a StyleGAN2 generator in the layout of rosinality's code or of NVIDIA's; of a training
 * checkpoint, the averaged one. Its dimensions come from the shapes of its tensors. What is fixed is
 * the noise of each convolution, drawn from a seed where the file has none.
 *
 * Throws a CheckpointError when the file holds no such generator, when a tensor is missing, unknown
 * or of the wrong shape, and when there is no such class; reading a tensor does, when a value of it
 * is NaN or infinite.
 */
export async function readGenerator(
  source: TensorSource,
  chosen: ClassChoice = null,
): Promise<Weights<Architecture>> {
  const reader = new GeneratorReader(source, chosen);
  const { architecture, needs, kernels, hasNoises } = checkTensors(reader);
  for (const name of kernels) {
    const { data } = await reader.read(name, [4, 4], needs);
    if (data.some((value, i) => Math.abs(value - UPSAMPLING_KERNEL[i]!) > 1e-6)) {
      const full = reader.fullName(name);
      reader.refuse(`"${full}" is not [1, 3, 3, 1], the only filter that nada upsamples with`);
    }
  }
  return {
    architecture,
    parameters: reader.storedAll(parameterShapes(architecture), needs),
    fixed: hasNoises
      ? reader.storedAll(noiseShapes(architecture), needs)
      : drawnNoises(architecture),
    latentAvg: reader.has(MEAN) ? reader.storedMean(architecture, needs) : null,
  };
}

/** What is known about a generator without its values. */
export interface GeneratorOutline {
  readonly architecture: Architecture;
  readonly hasNoises: boolean;
  readonly hasLatentAvg: boolean;
  readonly layout: Layout;
  /** Kinds of images that it can be asked for; 0 where there are none to choose from. */
  readonly classes: number;
}

/** The outline of a generator. Throws as `readGenerator` does, but for values: it reads none. */
export function outlineGenerator(source: TensorSource): GeneratorOutline {
  const reader = new GeneratorReader(source, "any");
  const { architecture, hasNoises } = checkTensors(reader);
  const { layout, classes } = reader;
  return { architecture, hasNoises, hasLatentAvg: reader.has(MEAN), layout, classes };
}

/** Checks that every tensor is there and has its shape, and that there are no others. */
function checkTensors(reader: GeneratorReader) {
  const a = reader.architecture();
  const channels = a.channels.join(", ");
  const needs = `a ${a.resolution}x${a.resolution} generator with ${channels} channels`;
  const parameters = parameterShapes(a);
  const noises = noiseShapes(a);
  const kernels = kernelNames(a).filter((name) => reader.has(name));
  const hasNoises = noises.keys().some((name) => reader.has(name));
  reader.refuseOthers([...parameters.keys(), ...noises.keys(), ...kernels, MEAN], needs);
  for (const name of kernels) reader.check(name, [4, 4], needs);
  for (const [name, shape] of [...parameters, ...(hasNoises ? noises : [])]) {
    reader.check(name, shape, needs);
  }
  if (reader.has(MEAN)) reader.checkMean(a, needs);
  else reader.refuseStrayMean(a);
  return { architecture: a, needs, kernels, hasNoises };
}

/** What rosinality's training script saves beside the averaged generator and its mean w. */
const PARTS = /^(g|d|g_optim|d_optim|args)\./;

/** The generator's tensors by our names; what a training run adds is left out. */
class GeneratorReader extends TensorReader {
  readonly #settings: Settings;
  /** What the file has beside the generator. */
  readonly #others: TensorSource["tensors"];
  readonly layout: Layout;
  readonly classes: number;

  constructor(source: TensorSource, chosen: ClassChoice) {
    const { file, tensors: all } = source;
    const found = renamed(source);
    const tensors = found?.tensors ?? new Map();
    super(file, tensors, (name) => found?.fullName(name) ?? name);
    if (!found) this.refuse(whyNotGenerator([...all.keys()]));
    this.layout = found.layout;
    this.#others = new Map(all.entries().filter(([name]) => !name.startsWith(found.prefix)));
    const refuse = (reason: string): never => this.refuse(reason);
    this.#settings = settingsOf(source, found, refuse);
    this.classes = chooseClass(tensors, { first: "style.1", embed: EMBED }, chosen, refuse);
  }

  /** Takes one number from one shape each; every other shape has to agree with them later. */
  architecture(): Architecture {
    const blocks = Math.ceil(this.count(/^convs\.\d+\.conv\.weight$/) / 2);
    return architecture({
      zSize: this.size("style.1.weight", 2, 1),
      wSize: this.size("style.1.weight", 2, 0),
      mappingDepth: this.count(/^style\.\d+\.weight$/),
      channels: [
        this.size("input.input", 4, 1),
        ...Array.from({ length: blocks }, (_, k) => this.size(`convs.${2 * k}.conv.weight`, 5, 1)),
      ],
      ...this.#settings,
    });
  }

  checkMean(a: Architecture, needs: string): void {
    this.check(MEAN, this.#meanShape(a), needs);
  }

  /** A vector beside rosinality's generator is taken for its mean w under a damaged name. */
  refuseStrayMean({ wSize }: Architecture): void {
    if (this.layout !== "rosinality") return;
    const stray = this.#others.entries().find(([name, { shape }]) =>
      !PARTS.test(name) && (sameShape(shape, [wSize]) || sameShape(shape, [1, wSize]))
    );
    if (!stray) return;
    this.refuse(
      `it has "${stray[0]}" of shape [${stray[1].shape}] beside the generator and no "${MEAN}"; ` +
        `rename or remove it`,
    );
  }

  storedMean(a: Architecture, needs: string): StoredTensor {
    return { ...this.stored(MEAN, this.#meanShape(a), needs), shape: [a.wSize] };
  }

  /** Some converters write the mean w as one row. */
  #meanShape({ wSize }: Architecture): Shape {
    return sameShape(this.tensors.get(MEAN)!.shape, [1, wSize]) ? [1, wSize] : [wSize];
  }
}
