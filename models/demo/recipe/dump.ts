/**
 * Writes scenes and their true pictures as raw files, for training elsewhere:
 *
 *     deno run --allow-read --allow-write models/demo/recipe/dump.ts FOLDER COUNT SEED STYLE...
 *
 *   latents.f32   [COUNT, 64]          z ~ N(0, I) from numpy's RandomState(SEED)
 *   scenes.f32    [COUNT, attributes]  quantiles, in the order of ATTRIBUTES
 *   STYLE.u8      [COUNT, 64, 64, 3]   one file for each style
 */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { RandomState } from "../../../lib/random/numpy.ts";
import {
  ATTRIBUTES,
  drawFace,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_NAMES,
  STYLES,
  toImage,
} from "../world/mod.ts";

const [folder, countText, seedText, ...wanted] = Deno.args;
const count = Number(countText);
const styles = STYLE_NAMES.filter((style) => wanted.includes(style));
if (folder === undefined || !(count > 0) || styles.length < Math.max(1, wanted.length)) {
  throw new UserError(
    `Cannot dump with arguments [${Deno.args}]: they are FOLDER COUNT SEED and at least one of ` +
      STYLE_NAMES.join(", "),
  );
}

await Deno.mkdir(folder, { recursive: true });
const z = Float32Array.from(new RandomState(Number(seedText)).randn(count * LATENT_SIZE));
const scenes = new Float32Array(count * ATTRIBUTES.length);
const files = new Map(
  styles.map((style) => [style, Deno.createSync(join(folder, `${style}.u8`))]),
);
for (let n = 0; n < count; n++) {
  const scene = sceneFromLatent(z.subarray(n * LATENT_SIZE, (n + 1) * LATENT_SIZE));
  scenes.set(ATTRIBUTES.map((name) => scene[name]), n * ATTRIBUTES.length);
  const layers = drawFace(scene);
  for (const [style, file] of files) {
    const { data } = toImage(STYLES[style](layers));
    for (let at = 0; at < data.length;) at += file.writeSync(data.subarray(at));
  }
}
files.forEach((file) => file.close());
await Deno.writeFile(join(folder, "latents.f32"), new Uint8Array(z.buffer));
await Deno.writeFile(join(folder, "scenes.f32"), new Uint8Array(scenes.buffer));
