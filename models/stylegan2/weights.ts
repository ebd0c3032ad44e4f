/** Checkpoints in rosinality's layout to the weights of a generator. */
import { sameShape, type Shape } from "../../lib/graph/tensor.ts";
import type { HostTensor, TensorSource, Weights } from "../generator/generator.ts";
import { TensorReader } from "../generator/tensor_reader.ts";
import {
  type Architecture,
  architecture,
  kernelNames,
  noiseShapes,
  parameterShapes,
  UPSAMPLING_KERNEL,
} from "./architecture.ts";
import { drawnNoises } from "./noise.ts";
import { whyNotGenerator } from "./recognise.ts";

/**
 * Reads a StyleGAN2 generator, with tensor names as they are or after "g_ema.". Its dimensions come
 * from the shapes of its tensors. What is fixed is the noise of each convolution, drawn from a seed
 * where the file has none.
 *
 * Throws a CheckpointError when the file holds no such generator, when a tensor is missing, unknown
 * or of the wrong shape, and when a value is NaN or infinite.
 */
export async function readGenerator(source: TensorSource): Promise<Weights<Architecture>> {
  const reader = new GeneratorReader(source);
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
    parameters: await reader.readAll(parameterShapes(architecture), needs),
    fixed: hasNoises
      ? await reader.readAll(noiseShapes(architecture), needs)
      : drawnNoises(architecture),
    latentAvg: reader.has(MEAN) ? await reader.readMean(architecture, needs) : null,
  };
}

/** What is known about a generator without its values. */
export interface GeneratorOutline {
  readonly architecture: Architecture;
  readonly hasNoises: boolean;
  readonly hasLatentAvg: boolean;
}

/** The outline of a generator. Throws as `readGenerator` does, but for values: it reads none. */
export function outlineGenerator(source: TensorSource): GeneratorOutline {
  const reader = new GeneratorReader(source);
  const { architecture, hasNoises } = checkTensors(reader);
  return { architecture, hasNoises, hasLatentAvg: reader.has(MEAN) };
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
  return { architecture: a, needs, kernels, hasNoises };
}

/** What rosinality's training script and the converters put in front of the averaged generator. */
const PREFIX = "g_ema.";
/** The mean w, which stands beside "g_ema" and not in it. */
const MEAN = "latent_avg";

/** The generator's tensors by their names without prefix; what a training run adds is left out. */
class GeneratorReader extends TensorReader {
  constructor({ file, tensors }: TensorSource) {
    const prefix = tensors.keys().some((name) => name.startsWith(PREFIX)) ? PREFIX : "";
    const own = tensors.entries().filter(([name]) => name === MEAN || name.startsWith(prefix));
    super(
      file,
      new Map(own.map(([name, tensor]) => [
        name === MEAN ? name : name.slice(prefix.length),
        tensor,
      ])),
      (name) => name === MEAN ? name : `${prefix}${name}`,
    );
    if (!this.has("conv1.conv.weight") && !this.has("input.input")) {
      this.refuse(whyNotGenerator([...tensors.keys()]));
    }
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
    });
  }

  checkMean(a: Architecture, needs: string): void {
    this.check(MEAN, this.#meanShape(a), needs);
  }

  async readMean(a: Architecture, needs: string): Promise<HostTensor> {
    const { data } = await this.read(MEAN, this.#meanShape(a), needs);
    return { shape: [a.wSize], data };
  }

  /** Some converters write the mean w as one row. */
  #meanShape({ wSize }: Architecture): Shape {
    return sameShape(this.tensors.get(MEAN)!.shape, [1, wSize]) ? [1, wSize] : [wSize];
  }
}
