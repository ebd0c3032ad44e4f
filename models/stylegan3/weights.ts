/** Checkpoints in NVIDIA's layout to the weights of a StyleGAN3 generator. */
import { chooseClass, type ClassChoice } from "../generator/condition.ts";
import type { TensorSource, Weights } from "../generator/generator.ts";
import { TensorReader } from "../generator/tensor_reader.ts";
import {
  type Architecture,
  architecture,
  type Dimensions,
  fixedShapes,
  type Layer,
  type LayerShape,
  parameterShapes,
} from "./architecture.ts";
import { settingsOf } from "./settings.ts";

/** The averaged generator of a snapshot; its names have no prefix where it is saved alone. */
const PREFIXES = ["G_ema.", ""];
/** A tensor that no other generator has. */
const HALLMARK = "synthesis.input.freqs";
const MEAN = "mapping.w_avg";

/** Whether a file with these names holds a StyleGAN3 generator. */
export function isStylegan3(names: ReadonlyMap<string, unknown>): boolean {
  return PREFIXES.some((prefix) => names.has(prefix + HALLMARK));
}

/**
 * Reads a StyleGAN3 generator, configuration T or R or in between. Its dimensions come from names
 * and shapes of its tensors; for what these do not tell, see `settingsOf`.
 *
 * Throws a CheckpointError when a tensor is missing, unknown or of the wrong shape, when sizes
 * contradict each other, and when there is no such class; reading a tensor does, when a value of it
 * is NaN or infinite.
 */
export function readGenerator(
  source: TensorSource,
  chosen: ClassChoice = null,
): Weights<Architecture> {
  const reader = new GeneratorReader(source, chosen);
  const { architecture, needs } = checkTensors(reader, source);
  return {
    architecture,
    parameters: reader.storedAll(parameterShapes(architecture), needs),
    fixed: reader.storedAll(fixedShapes(architecture), needs),
    latentAvg: reader.has(MEAN) ? reader.stored(MEAN, [architecture.wSize], needs) : null,
  };
}

/** What is known about a generator without its values. */
export interface GeneratorOutline {
  readonly architecture: Architecture;
  readonly hasLatentAvg: boolean;
  /** Kinds of images that it can be asked for; 0 where there are none to choose from. */
  readonly classes: number;
}

/** The outline of a generator. Throws as `readGenerator` does, but for values: it reads none. */
export function outlineGenerator(source: TensorSource): GeneratorOutline {
  const reader = new GeneratorReader(source, "any");
  const { architecture } = checkTensors(reader, source);
  return { architecture, hasLatentAvg: reader.has(MEAN), classes: reader.classes };
}

/** Checks that every tensor is there and has its shape, and that there are no others. */
function checkTensors(reader: GeneratorReader, source: TensorSource) {
  const settings = settingsOf(source.modules, reader.prefix);
  const a = architecture(reader.dimensions(), settings);
  const wrong = a.layers.find((layer) => !isConsistent(layer));
  if (wrong) {
    reader.refuse(
      `"${wrong.name}" would upsample by ${wrong.up} and downsample by ${wrong.down}, by filters of ` +
        `${wrong.upFilter ?? "no"} and ${wrong.downFilter ?? "no"} taps; its sizes are not those ` +
        `of NVIDIA's StyleGAN3`,
    );
  }
  const needs =
    `a ${a.resolution}x${a.resolution} StyleGAN3 generator of ${a.layers.length} layers`;
  const shapes = new Map([...parameterShapes(a), ...fixedShapes(a)]);
  if (reader.has(MEAN)) shapes.set(MEAN, [a.wSize]);
  reader.refuseOthers(shapes.keys(), needs);
  for (const [name, shape] of shapes) reader.check(name, shape, needs);
  return { architecture: a, needs };
}

/** Whether a layer has whole factors, and a filter of as many taps for each sample where it has one. */
function isConsistent({ up, down, upFilter, downFilter }: Layer): boolean {
  return ([[up, upFilter], [down, downFilter]] as const).every(([factor, filter]) =>
    Number.isInteger(factor) && factor >= 1 &&
    (filter === null
      ? factor === 1
      : filter.length <= 2 && filter.every((taps) => taps % factor === 0))
  );
}

/** The generator's tensors by their names without prefix. */
class GeneratorReader extends TensorReader {
  readonly prefix: string;
  readonly classes: number;

  constructor({ file, tensors: all }: TensorSource, chosen: ClassChoice) {
    const prefix = PREFIXES.find((prefix) => all.has(prefix + HALLMARK)) ?? "";
    const own = all.entries().filter(([name]) => name.startsWith(prefix));
    const tensors = new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
    super(file, tensors, (name) => prefix + name);
    this.prefix = prefix;
    // StyleGAN-XL embeds classes by a table, which it has even where it does not use it; StyleGAN3 by
    // a layer with a bias.
    if (this.has("mapping.embed.weight") && !this.has("mapping.embed.bias")) {
      this.refuse("it is a StyleGAN-XL generator; nada reads StyleGAN2 and StyleGAN3");
    }
    const names = { first: "mapping.fc0", embed: "mapping.embed" };
    this.classes = chooseClass(tensors, names, chosen, (reason) => this.refuse(reason));
  }

  /** Takes one number from one shape or name each; all other shapes have to agree with them later. */
  dimensions(): Dimensions {
    const layers: LayerShape[] = [];
    const pattern = /^synthesis\.(L\d+_(\d+)_\d+)\.weight$/;
    for (const path of this.tensors.keys()) {
      const [, name, size] = pattern.exec(path) ?? [];
      if (name === undefined) continue;
      layers.push({
        name,
        outSize: Number(size),
        outChannels: this.size(path, 4, 0),
        inChannels: this.size(path, 4, 1),
        kernel: this.size(path, 4, 2),
        upFilter: this.#filterShape(`synthesis.${name}.up_filter`),
        downFilter: this.#filterShape(`synthesis.${name}.down_filter`),
      });
    }
    const numberOf = ({ name }: LayerShape) => Number(/\d+/.exec(name)![0]);
    layers.sort((one, other) => numberOf(one) - numberOf(other));
    const missing = [...layers.keys(), 0, 1].find((i) => !layers[i] || numberOf(layers[i]) !== i);
    if (missing !== undefined) this.refuse(`it lacks a layer "synthesis.L${missing}_…"`);
    return {
      zSize: this.size("mapping.fc0.weight", 2, 1),
      wSize: this.size("mapping.fc0.weight", 2, 0),
      mappingDepth: this.count(/^mapping\.fc\d+\.weight$/),
      layers,
    };
  }

  #filterShape(name: string): LayerShape["upFilter"] {
    return this.tensors.get(name)?.shape ?? null;
  }
}
