/** Made-up generators in the form of NVIDIA's code for TensorFlow. */
import type { Dimensions } from "../../../models/stylegan2/architecture.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { madeUpTensors, type Tensors } from "./made_up.ts";

const DIMENSIONS: Dimensions = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 3] };
const SIDES = [4, 8, 16];

type Entry = Tensors extends Map<string, infer T> ? T : never;

/** `out[i, j, …] = from(i, j, …)`. */
function filled(shape: number[], from: (...index: number[]) => number): Entry {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const index = shape.map(() => 0);
  for (let at = 0; at < data.length; at++) {
    data[at] = from(...index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** A made-up generator under the names, and in the form, of NVIDIA's code for TensorFlow. */
export function asTensorflow(ours: Tensors): Tensors {
  const theirs: Tensors = new Map();
  const transposed = ({ shape: [rows, columns], data }: Entry) =>
    filled([columns!, rows!], (c, r) => data[r! * columns! + c!]!);
  const plus = ({ shape, data }: Entry, x: number) => ({ shape, data: data.map((y) => y + x) });
  const get = (name: string) => ours.get(name)!;
  for (const k of [0, 1]) {
    theirs.set(`mapping.Dense${k}/weight`, transposed(get(`style.${k + 1}.weight`)));
    theirs.set(`mapping.Dense${k}/bias`, get(`style.${k + 1}.bias`));
  }
  theirs.set("synthesis.4x4/Const/const", get("input.input"));
  theirs.set("dlatent_avg", get("latent_avg"));
  for (let i = 0; i < 5; i++) theirs.set(`synthesis.noise${i}`, get(`noises.noise_${i}`));

  const layer = (name: string, path: string, isUp: boolean) => {
    const { shape: [, outputs, inputs, side], data } = get(`${name}.conv.weight`);
    const at = (o: number, i: number, y: number, x: number) =>
      data[((o * inputs! + i) * side! + y) * side! + x]!;
    theirs.set(
      `${path}/weight`,
      filled(
        [side!, side!, inputs!, outputs!],
        (y, x, i, o) => isUp ? at(o!, i!, side! - 1 - y!, side! - 1 - x!) : at(o!, i!, y!, x!),
      ),
    );
    theirs.set(`${path}/mod_weight`, transposed(get(`${name}.conv.modulation.weight`)));
    theirs.set(`${path}/mod_bias`, plus(get(`${name}.conv.modulation.bias`), -1));
    const strength = ours.get(`${name}.noise.weight`);
    if (strength) theirs.set(`${path}/noise_strength`, { ...strength, shape: [] });
    const bias = ours.get(`${name}.activate.bias`) ?? get(`${name}.bias`);
    theirs.set(`${path}/bias`, { ...bias, shape: [bias.data.length] });
  };
  layer("conv1", "synthesis.4x4/Conv", false);
  SIDES.forEach((r, block) => {
    layer(block ? `to_rgbs.${block - 1}` : "to_rgb1", `synthesis.${r}x${r}/ToRGB`, false);
    if (block === 0) return;
    layer(`convs.${2 * block - 2}`, `synthesis.${r}x${r}/Conv0_up`, true);
    layer(`convs.${2 * block - 1}`, `synthesis.${r}x${r}/Conv1`, false);
  });
  return theirs;
}

/** A made-up generator of 16x16 images with a mean w, in rosinality's form. */
export function madeUp(): Tensors {
  const mean = normals(5, seededRandom(8));
  return madeUpTensors(DIMENSIONS, 1).set("latent_avg", { shape: [5], data: mean });
}

/** The same with 4 classes, and the layers that take them in. */
export function withClasses(): { tensors: Tensors; first: Entry; bias: Entry; embed: Entry[] } {
  const random = seededRandom(5);
  const entry = (...shape: number[]): Entry => ({
    shape,
    data: normals(shape.reduce((a, b) => a * b, 1), random),
  });
  const tensors = asTensorflow(madeUp());
  const [first, bias] = [entry(6 + 3, 5), entry(5)];
  const embed = [entry(4, 3), entry(3)];
  tensors.set("mapping.Dense0/weight", first).set("mapping.Dense0/bias", bias);
  tensors.set("mapping.LabelEmbed/weight", embed[0]!).set("mapping.LabelEmbed/bias", embed[1]!);
  return { tensors, first, bias, embed };
}
