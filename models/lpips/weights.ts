/**
 * Weights of LPIPS in files, as people have them: the state dict of `lpips.LPIPS(net="alex")` or
 * "vgg", or the package's linear heads in one file and torchvision's backbone in another.
 */
import { openCheckpoint, type TensorEntry } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { sameShape, type Shape } from "../../lib/graph/tensor.ts";
import { readFinite } from "../clip/values.ts";
import { type Backbone, BACKBONES, LAYERS } from "./network.ts";

export interface LpipsWeights {
  readonly backbone: Backbone;
  /** By the names of `Parameters`. */
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: Shape; readonly data: Float32Array<ArrayBuffer> }
  >;
}

/** What the method's authors shift and scale colours by, where the file does not say it. */
const COLOURS = {
  shift: [-0.03, -0.088, -0.188],
  scale: [0.458, 0.448, 0.45],
};

/** Names in files, and ours. Heads may stand there twice, under "lin0" and "lins.0". */
const NAMES: readonly (readonly [RegExp, (match: string[]) => string])[] = [
  [
    /^(?:net\.slice\d+|features)\.(\d+)\.(weight|bias)$/,
    ([, index, kind]) => `conv${index}.${kind}`,
  ],
  [/^lin(?:s\.)?(\d)\.model\.1\.weight$/, ([, k]) => `head${k}`],
  [/^scaling_layer\.(shift|scale)$/, ([, kind]) => kind!],
];

/**
 * Reads the weights from one or several files that complete each other. Throws a CheckpointError
 * where they do not make up the network, and for values that are not finite.
 */
export async function readLpips(paths: readonly string[]): Promise<LpipsWeights> {
  using opened = new DisposableStack();
  const found = new Map<string, { entry: TensorEntry; file: string }>();
  for (const path of paths) {
    const checkpoint = opened.use(await openCheckpoint(path));
    for (const entry of checkpoint.tensors.values()) {
      const name = ourName(entry.name);
      if (name !== null) found.set(name, { entry, file: path });
    }
  }
  const files = paths.map((path) => `"${path}"`).join(" and ");
  const refuse = (reason: string): never => {
    throw new CheckpointError(`Cannot load LPIPS from ${files}: ${reason}`);
  };

  const backbone = recognise((name) => found.get(name)?.entry.shape) ??
    refuse(
      "it holds no first convolution of AlexNet or VGG-16; give the state dict of " +
        'lpips.LPIPS(net="alex") or "vgg", or the heads and the backbone as two files',
    );
  const tensors = new Map<
    string,
    LpipsWeights["tensors"] extends ReadonlyMap<string, infer T> ? T : never
  >();
  for (const [kind, values] of Object.entries(COLOURS)) {
    tensors.set(kind, { shape: [1, 3, 1, 1], data: Float32Array.from(values) });
  }
  const read = async (name: string, wanted: Shape, shape = wanted) => {
    const { entry, file } = found.get(name) ?? refuse(`it lacks ${describe(name)}`);
    if (!sameShape(entry.shape, wanted)) {
      refuse(`"${entry.name}" has shape [${entry.shape}], [${wanted}] is needed`);
    }
    tensors.set(name, { shape, data: await readFinite(entry, file) });
  };
  for (const kind of Object.keys(COLOURS)) {
    if (found.has(kind)) await read(kind, [1, 3, 1, 1]);
  }
  let channels = 3;
  let head = 0;
  for (const { index, kernel, compared } of LAYERS[backbone]) {
    const [outputs] = found.get(`conv${index}.weight`)?.entry.shape ?? [];
    await read(`conv${index}.weight`, [outputs ?? 0, channels, kernel, kernel]);
    await read(`conv${index}.bias`, [outputs!]);
    channels = outputs!;
    if (compared) await read(`head${head++}`, [1, channels, 1, 1], [channels]);
  }
  return { backbone, tensors };
}

function ourName(name: string): string | null {
  for (const [pattern, rename] of NAMES) {
    const match = pattern.exec(name);
    if (match) return rename(match);
  }
  return null;
}

/** The backbone that the shape of the first convolution belongs to. */
function recognise(shapeOf: (name: string) => Shape | undefined): Backbone | undefined {
  const [, , kernel] = shapeOf("conv0.weight") ?? [];
  const known = BACKBONES.find((name) => LAYERS[name][0]!.kernel === kernel);
  // VGG with 11 layers has no second convolution at this place, SqueezeNet none at all.
  return known === "vgg" && !shapeOf("conv2.weight") ? undefined : known;
}

function describe(name: string): string {
  const [, index, kind] = /^conv(\d+)\.(\w+)$/.exec(name) ?? [];
  return index === undefined
    ? `the head "lin${name.slice("head".length)}.model.1.weight"; give the heads' file as well`
    : `"features.${index}.${kind}" of the backbone`;
}
