/** Draws a contact sheet of the world, styles across and scenes down: `deno task demo:show`. */
import { dirname } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";
import { encodePng, imageGrid } from "../../lib/image/mod.ts";
import { latentFromSeed } from "../generator/latents.ts";
import {
  drawFace,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_NAMES,
  STYLES,
  toImage,
} from "./world/mod.ts";

const SCENES = 10;

const [path = "runs/demo-world.png"] = Deno.args;
const rows = Array.from({ length: SCENES }, (_, seed) => {
  const layers = drawFace(sceneFromLatent(latentFromSeed(seed, LATENT_SIZE)));
  return STYLE_NAMES.map((style) => ({ image: toImage(STYLES[style](layers)) }));
});
const sheet = await imageGrid(rows, {
  columns: STYLE_NAMES,
  rows: rows.map((_, seed) => `seed ${seed}`),
});

await Deno.mkdir(dirname(path), { recursive: true });
await writeFileAtomic(path, encodePng(sheet));
console.log(path);
