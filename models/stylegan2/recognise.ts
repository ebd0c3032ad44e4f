/** Says what a checkpoint is that holds no StyleGAN2 generator, and what to do about it. */

/** Tensor names that give a kind of file away, the first match counts. */
const KINDS: readonly (readonly [name: RegExp, reason: string])[] = [
  [
    /^(g|generator)\.(conv1\.conv\.weight|input\.input)$/,
    `it holds a generator in training under "g", but not its moving average "g_ema", which makes ` +
    `the images; save the checkpoint with "g_ema"`,
  ],
  [
    /^(d|discriminator)\.|^convs\.\d+\.conv1\.\d+\.weight$|^final_linear\./,
    "it holds a discriminator; give the file that has the generator",
  ],
  [
    /^module\./,
    `its names begin with "module.", as DataParallel saves them; save the state of the model within`,
  ],
  [
    /^(visual|text_model|vision_model|transformer)\.|^(text_projection|logit_scale)$/,
    "it is a CLIP model; give it where a CLIP model is asked for",
  ],
  [
    /^G\.synthesis\./,
    `it holds a generator in training under "G", but not its moving average "G_ema", which makes ` +
    `the images; save the snapshot with "G_ema"`,
  ],
  [/StyleMod\//, "it is a StyleGAN of 2018, the first; nada reads StyleGAN2 and StyleGAN3"],
  [/^(\d+\.)?4x4\/Dense\//, "it is a ProGAN of 2017; nada reads StyleGAN2 and StyleGAN3"],
  [
    /^D\.(b\d+|mapping)\.|\/FromRGB\//,
    "it holds a discriminator; give the file that has the generator",
  ],
  [
    /^(state_dict\.)?(encoder|decoder)\./,
    "it is an encoder for real images (pSp, e4e or a relative), not a generator alone",
  ],
];

/** The reason, as the end of a sentence, given the names of all tensors in the file. */
export function whyNotGenerator(names: readonly string[]): string {
  for (const [pattern, reason] of KINDS) {
    if (names.some((name) => pattern.test(name))) return reason;
  }
  const some = names.slice(0, 3).map((name) => `"${name}"`).join(", ");
  const found = names.length > 0 ? `${some}${names.length > 3 ? ", …" : ""}` : "no tensor at all";
  return `its tensors are of no generator that nada knows (${found}); it reads StyleGAN2 in the ` +
    "layouts of rosinality's and of NVIDIA's code, and StyleGAN3 in NVIDIA's";
}
