/** Every form of file that a generator comes in. */
import { safetensorsParts } from "../../../lib/checkpoint/mod.ts";
import {
  embedded,
  floatArray,
  persistent,
  tensorflow,
} from "../../lib/checkpoint/build_network.ts";
import { dict, type Picklable, pickle, tuple } from "../../lib/checkpoint/build_pickle.ts";
import { foreignSafetensors } from "../../lib/checkpoint/build_safetensors.ts";
import { legacyArchive, torchArchive } from "../../lib/checkpoint/build_state_dict.ts";
import { type Bytes, concat } from "../../lib/checkpoint/bytes.ts";
import type { Tensors } from "../stylegan2/made_up.ts";
import { asTensorflow } from "../stylegan2/made_up_tensorflow.ts";

/** A made-up generator under the names of NVIDIA's code for PyTorch. */
function asNvidia(ours: Tensors): Tensors {
  const theirs: Tensors = new Map();
  const put = (name: string, from: string, shape: (shape: number[]) => number[] = (s) => s) => {
    const tensor = ours.get(from);
    if (tensor) theirs.set(name, { ...tensor, shape: shape(tensor.shape) });
  };
  const layer = (name: string, from: string) => {
    put(`${name}.weight`, `${from}.conv.weight`, (s) => s.slice(1));
    put(`${name}.affine.weight`, `${from}.conv.modulation.weight`);
    put(`${name}.affine.bias`, `${from}.conv.modulation.bias`);
    put(`${name}.noise_strength`, `${from}.noise.weight`, () => []);
    put(`${name}.bias`, `${from}.activate.bias`);
    put(`${name}.bias`, `${from}.bias`, () => [3]);
  };
  for (const k of [0, 1]) {
    put(`mapping.fc${k}.weight`, `style.${k + 1}.weight`);
    put(`mapping.fc${k}.bias`, `style.${k + 1}.bias`);
  }
  put("mapping.w_avg", "latent_avg");
  put("synthesis.b4.const", "input.input", (s) => s.slice(1));
  layer("synthesis.b4.conv1", "conv1");
  layer("synthesis.b4.torgb", "to_rgb1");
  put("synthesis.b4.conv1.noise_const", "noises.noise_0", (s) => s.slice(2));
  [8, 16].forEach((r, block) => {
    for (const k of [0, 1]) {
      layer(`synthesis.b${r}.conv${k}`, `convs.${2 * block + k}`);
      const noise = `noises.noise_${2 * block + 1 + k}`;
      put(`synthesis.b${r}.conv${k}.noise_const`, noise, (s) => s.slice(2));
    }
    layer(`synthesis.b${r}.torgb`, `to_rgbs.${block}`);
  });
  // The same low-pass filter, without the factor 4 for zero insertion.
  const filter = ours.get("to_rgbs.0.upsample.kernel")!;
  const quarter = { ...filter, data: filter.data.map((x) => x / 4) };
  for (const r of [4, 8, 16]) {
    theirs.set(`synthesis.b${r}.resample_filter`, quarter);
    theirs.set(`synthesis.b${r}.conv1.resample_filter`, quarter);
    if (r > 4) theirs.set(`synthesis.b${r}.conv0.resample_filter`, quarter);
  }
  return theirs;
}

type Attributes = Record<string, Picklable>;

/** Modules within modules, by the dots in the names of their tensors; with attributes by path. */
function nested(
  tensors: Tensors,
  attributesOf: (path: string) => Attributes = () => ({}),
  path = "",
): Bytes {
  const parameters: Record<string, Picklable> = {};
  const parts = new Map<string, Tensors>();
  for (const [name, tensor] of tensors) {
    const [first, ...rest] = name.split(".");
    if (rest.length === 0) {
      parameters[first!] = embedded(tensor.data, { shape: tensor.shape });
      continue;
    }
    if (!parts.has(first!)) parts.set(first!, new Map());
    parts.get(first!)!.set(rest.join("."), tensor);
  }
  const modules = Object.fromEntries(
    parts.entries().map(([name, part]) => {
      const inner = path === "" ? name : `${path}.${name}`;
      return [name, nested(part, attributesOf, inner)];
    }),
  );
  const className = path === "" ? "Generator" : "Module";
  return persistent(className, { parameters, modules, attributes: attributesOf(path) });
}

/** G, D and the averaged G, which differ, as NVIDIA's training loops save them. */
function snapshot(theirs: Tensors, attributesOf?: (path: string) => Attributes): Bytes {
  const other: Tensors = new Map(
    theirs.entries().map(([name, t]) => [name, { ...t, data: t.data.map((x) => x + 1) }]),
  );
  const discriminator = persistent("Discriminator", {
    parameters: { b4: embedded([1, 2], { shape: [2] }) },
  });
  return pickle(dict({
    G: nested(other, attributesOf),
    D: discriminator,
    G_ema: nested(theirs, attributesOf),
    training_set_kwargs: dict({ class_name: "training.dataset.ImageFolderDataset" }),
  }));
}

/** What stylegan2-ada-pytorch keeps of a module. */
function adaAttributes(path: string): Attributes {
  if (/\.conv\d$/.test(path)) return { activation: "lrelu", conv_clamp: 256, up: 1 };
  if (/\.torgb$/.test(path)) return { conv_clamp: 256 };
  if (/\.b\d+$/.test(path)) return { architecture: "skip", use_fp16: false };
  if (/^mapping\.fc\d$/.test(path)) return { activation: "lrelu", bias_gain: 0.01 };
  return {};
}

/** What the code for StyleGAN3 keeps of the modules of a StyleGAN2: more. */
function laterAttributes(path: string): Attributes {
  const more: Attributes = /\.b\d+$/.test(path) ? { fused_modconv_default: "inference_only" } : {};
  return { ...adaAttributes(path), ...more, in_channels: 7, w_dim: 5 };
}

/** What it keeps of those of a StyleGAN3: the settings of NVIDIA's training script. */
function stylegan3Attributes(path: string): Attributes {
  if (path === "synthesis") return { margin_size: 10, output_scale: 0.25, num_critical: 2 };
  if (path === "synthesis.input") return { bandwidth: 2, sampling_rate: 8 };
  if (/\.L\d+_\d+_\d+$/.test(path)) {
    return { conv_clamp: 256, tmp_sampling_rate: 16, out_sampling_rate: 8 };
  }
  return {};
}

function tensorflowPickle(ours: Tensors, settings: Record<string, Picklable>): Bytes {
  const components = new Map<string, Record<string, Picklable>>([["", {}]]);
  for (const [name, { shape, data }] of asTensorflow(ours)) {
    const [, component = "", variable = name] = /^(mapping|synthesis)\.(.*)$/.exec(name) ?? [];
    if (!components.has(component)) components.set(component, {});
    components.get(component)![variable] = shape.length === 0 ? data[0]! : floatArray(shape, data);
  }
  const { "": own, ...parts } = Object.fromEntries(components);
  const averaged = tensorflow(
    "G_main",
    own!,
    Object.fromEntries(Object.entries(parts).map(([n, v]) => [n, tensorflow(`G_${n}`, v)])),
    settings,
  );
  return pickle(tuple(tensorflow("G_main", {}), tensorflow("D_stylegan2", {}), averaged));
}

/** What a training run has beside the averaged generator. */
function trainingState(ours: Tensors): Tensors {
  const state: Tensors = new Map([["latent_avg", ours.get("latent_avg")!]]);
  for (const [name, tensor] of ours) {
    if (name === "latent_avg") continue;
    state.set(`g_ema.${name}`, tensor);
    state.set(`g.${name}`, { ...tensor, data: tensor.data.map((x) => x + 1) });
  }
  state.set("d.convs.0.0.weight", { shape: [2], data: Float32Array.of(1, 2) });
  return state.set("g_optim.state.0.exp_avg", { shape: [1], data: Float32Array.of(3) });
}

/** StyleGAN-NADA's own results: no mean w. */
function nadaResult(ours: Tensors): Tensors {
  const result = trainingState(ours);
  result.delete("latent_avg");
  for (const name of result.keys()) if (/^(g|d)\./.test(name)) result.delete(name);
  return result;
}

export interface Form {
  readonly name: string;
  /** The file. */
  make(ours: Tensors): Bytes;
  readonly hasMean?: boolean;
  /** Whether the form has checksums. */
  readonly isChecked?: boolean;
}

/** Those of StyleGAN2, from tensors under rosinality's names. */
export const FORMS = [
  { name: "a .pt of a generator", make: (ours) => torchArchive(ours), isChecked: true },
  { name: "a .pt of a generator from before PyTorch 1.6", make: (ours) => legacyArchive(ours) },
  {
    name: "rosinality's training checkpoint",
    make: (ours) => torchArchive(trainingState(ours)),
    isChecked: true,
  },
  {
    name: "rosinality's training checkpoint from before PyTorch 1.6",
    make: (ours) => legacyArchive(trainingState(ours)),
  },
  {
    name: "a result of StyleGAN-NADA",
    make: (ours) => torchArchive(nadaResult(ours)),
    hasMean: false,
    isChecked: true,
  },
  {
    name: "a result of StyleGAN-NADA from before PyTorch 1.6",
    make: (ours) => legacyArchive(nadaResult(ours)),
    hasMean: false,
  },
  { name: "safetensors with rosinality's names", make: foreignSafetensors },
  {
    name: "NVIDIA's pickle of stylegan2-ada-pytorch",
    make: (ours) => snapshot(asNvidia(ours), adaAttributes),
  },
  {
    name: "NVIDIA's pickle of a StyleGAN2 by the code for StyleGAN3",
    make: (ours) => snapshot(asNvidia(ours), laterAttributes),
  },
  {
    name: "safetensors with NVIDIA's names",
    make: (ours) => foreignSafetensors(asNvidia(ours)),
  },
  {
    name: "NVIDIA's pickle for TensorFlow",
    make: (ours) => tensorflowPickle(ours, { architecture: "skip" }),
  },
  {
    name: "NVIDIA's pickle for TensorFlow with ADA",
    make: (ours) => tensorflowPickle(ours, { architecture: "skip", conv_clamp: 256 }),
  },
  {
    name: "safetensors with the names of NVIDIA's code for TensorFlow",
    make: (ours) => foreignSafetensors(asTensorflow(ours)),
  },
  {
    name: "nada's own safetensors",
    make: (ours) => concat(...safetensorsParts(ours)),
    isChecked: true,
  },
] as const satisfies readonly Form[];

/** Those of StyleGAN3, from tensors under NVIDIA's names. */
export const STYLEGAN3_FORMS = [
  {
    name: "NVIDIA's pickle of StyleGAN3",
    make: (theirs) => snapshot(theirs, stylegan3Attributes),
  },
  { name: "safetensors of StyleGAN3", make: foreignSafetensors },
  {
    name: "nada's own safetensors of StyleGAN3",
    make: (theirs) => concat(...safetensorsParts(theirs)),
    isChecked: true,
  },
] as const satisfies readonly Form[];
