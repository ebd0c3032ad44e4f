/**
 * The supervised bound: how far the same layers get at the same rate, on the same latents and in as
 * many steps, if they are shown the true pictures. No text and no CLIP: what an adaptation could
 * reach if its gradient were perfect.
 */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import { grad } from "../../../lib/graph/grad.ts";
import { abs, adam, add, mean, reshape, square, sub } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input, state } from "../../../lib/graph/tensor.ts";
import { AdamClock, BETA2 } from "../../nada/adam_clock.ts";
import { learningRate, type RateOptions } from "../../nada/learning_rate.ts";
import { LatentStream } from "../../nada/random_latents.ts";
import { trainedParameters, type TrainParams } from "../../nada/trained_layers.ts";
import { broadcastW, type DeviceGenerator, generatorOf, leavesOf } from "../../generator/mod.ts";
import { type StyleName, truth as trueRendering } from "../world/mod.ts";
import { asImages } from "./images.ts";
import { rowsOf } from "./latents.ts";

export interface SupervisedOptions extends RateOptions {
  readonly style: StyleName;
  readonly layers: readonly string[];
  readonly trainParams: TrainParams;
  readonly batch: number;
  /** Of the latents, as in a run. */
  readonly seed: number;
  readonly onStep?: (loss: number) => void;
}

/** Trains `generator` in place, by L1 + L2 of its pictures from the true ones. */
export async function trainSupervised(
  gpu: Gpu,
  { architecture: a, tensors }: DeviceGenerator,
  options: SupervisedOptions,
): Promise<void> {
  const { style, layers, trainParams, steps, batch, seed, onStep } = options;
  const generator = generatorOf(a);
  const parameters = leavesOf(generator);
  const z = input("z", [batch, a.zSize]);
  const wPlus = broadcastW(a, generator.mapping(parameters, z));
  const drawn = generator.synthesis(parameters, wPlus, { mode: "const" }).image;
  const error = sub(drawn, input("truth", drawn.shape));
  const loss = add(mean(abs(error)), mean(square(error)));

  const names = [...trainedParameters(a, layers, trainParams).keys()];
  const gradients = grad(loss, names.map((name) => parameters[name]!));
  const hyper = input("hyper", [3]);
  const guard = reshape(loss, [1]);
  const updates = names.map((name, i) => {
    const w = parameters[name]!;
    const v = state(`moment/${name}`, w.shape);
    return adam({ w, v, g: gradients[i]!, hyper, guard }, { beta2: BETA2, eps: 1e-8 });
  });
  using owned = new DisposableStack();
  const moments = names.map((name) => {
    const tensor = new DeviceTensor(gpu, tensors[name]!.shape, `moment of ${name}`);
    owned.defer(() => tensor.dispose());
    return [`moment/${name}`, tensor] as const;
  });
  const program = await Program.compile(gpu, {
    outputs: { loss },
    updates,
    state: { ...tensors, ...Object.fromEntries(moments) },
  });
  owned.defer(() => program.dispose());

  const stream = new LatentStream(seed, batch * a.zSize);
  // All layers are trained in every step, so that one clock tells the time of all.
  const clock = new AdamClock(["all"], "skip");
  for (let step = 0; step < steps; step++) {
    const z = stream.next();
    const inputs = {
      z,
      truth: asImages(rowsOf(z).map((row) => trueRendering(row, style))),
      hyper: clock.hyper("all", learningRate(options, step)),
    };
    const { loss } = await program.run(inputs, { read: ["loss"] });
    clock.advance(new Set(["all"]));
    onStep?.(loss![0]!);
  }
}
