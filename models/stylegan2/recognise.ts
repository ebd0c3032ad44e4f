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
    /(^|\.)synthesis\.input\.(freqs|phases|weight)$/,
    "it is a StyleGAN3 generator in NVIDIA's layout, not a StyleGAN2 generator in rosinality's",
  ],
  [
    /(^|\.)synthesis\.(b\d+\.|4x4|input)|(^|\.)mapping\.fc\d+\./,
    "it is a generator in NVIDIA's layout; convert it to rosinality's",
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
  return 'it holds no StyleGAN2 generator in rosinality\'s layout: neither "conv1.conv.weight" ' +
    `nor "input.input", but ` +
    (names.length > 0 ? `${some}${names.length > 3 ? ", …" : ""}` : "nothing");
}
