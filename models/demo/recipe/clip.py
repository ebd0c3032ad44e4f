"""CLIP (vision transformer and text transformer) in plain PyTorch, with OpenAI's parameter names.

The parameters live in a flat dict, name -> tensor. Attention is written out, since the gradient of
the picture's gradient is needed.
"""

import math

import torch
import torch.nn.functional as F

HEAD_WIDTH = 64
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class Architecture:
    def __init__(self, vocabulary, image_width=128, image_blocks=4, patch=8, text_width=128,
                 text_blocks=2, context=32, features=64, side=64):
        self.image_width, self.image_blocks, self.patch = image_width, image_blocks, patch
        self.text_width, self.text_blocks, self.context = text_width, text_blocks, context
        self.features, self.side = features, side
        self.vocabulary = vocabulary + 2  # start and end of text


def initial_parameters(a):
    p = {}

    def blocks(prefix, width, count):
        deviation = width**-0.5
        for i in range(count):
            name = f"{prefix}transformer.resblocks.{i}"
            for norm in ("ln_1", "ln_2"):
                p[f"{name}.{norm}.weight"] = torch.ones(width)
                p[f"{name}.{norm}.bias"] = torch.zeros(width)
            p[f"{name}.attn.in_proj_weight"] = torch.randn(3 * width, width) * deviation
            p[f"{name}.attn.in_proj_bias"] = torch.zeros(3 * width)
            small = deviation / math.sqrt(2 * count)
            p[f"{name}.attn.out_proj.weight"] = torch.randn(width, width) * small
            p[f"{name}.attn.out_proj.bias"] = torch.zeros(width)
            p[f"{name}.mlp.c_fc.weight"] = torch.randn(4 * width, width) * deviation
            p[f"{name}.mlp.c_fc.bias"] = torch.zeros(4 * width)
            p[f"{name}.mlp.c_proj.weight"] = torch.randn(width, 4 * width) * small / 2
            p[f"{name}.mlp.c_proj.bias"] = torch.zeros(width)

    def norm(name, width):
        p[f"{name}.weight"], p[f"{name}.bias"] = torch.ones(width), torch.zeros(width)

    width, cells = a.image_width, (a.side // a.patch) ** 2
    p["visual.class_embedding"] = torch.randn(width) * width**-0.5
    p["visual.positional_embedding"] = torch.randn(cells + 1, width)
    p["visual.conv1.weight"] = torch.randn(width, 3, a.patch, a.patch) / (a.patch * math.sqrt(3))
    norm("visual.ln_pre", width)
    blocks("visual.", width, a.image_blocks)
    norm("visual.ln_post", width)
    p["visual.proj"] = torch.randn(width, a.features) * width**-0.5

    width = a.text_width
    p["token_embedding.weight"] = torch.randn(a.vocabulary, width) * 0.1
    p["positional_embedding"] = torch.randn(a.context, width) * 0.05
    blocks("", width, a.text_blocks)
    norm("ln_final", width)
    p["text_projection"] = torch.randn(width, a.features) * width**-0.5
    p["logit_scale"] = torch.tensor(math.log(1 / 0.07))
    return p


def transformer(p, prefix, count, x, mask=None, first=0):
    """`count` blocks from `first` on. x [n, tokens, width] -> the same shape; mask [tokens, tokens]
    is added to the scores."""
    n, tokens, width = x.shape
    heads = width // HEAD_WIDTH
    for i in range(first, first + count):
        name = f"{prefix}transformer.resblocks.{i}"
        y = layer_norm(p, f"{name}.ln_1", x)
        y = F.linear(y, p[f"{name}.attn.in_proj_weight"], p[f"{name}.attn.in_proj_bias"])
        q, k, v = y.view(n, tokens, 3, heads, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / math.sqrt(HEAD_WIDTH)
        if mask is not None:
            scores = scores + mask
        y = (scores.softmax(3) @ v).transpose(1, 2).reshape(n, tokens, width)
        x = x + F.linear(y, p[f"{name}.attn.out_proj.weight"], p[f"{name}.attn.out_proj.bias"])
        y = layer_norm(p, f"{name}.ln_2", x)
        y = F.linear(y, p[f"{name}.mlp.c_fc.weight"], p[f"{name}.mlp.c_fc.bias"])
        y = y * torch.sigmoid(1.702 * y)
        x = x + F.linear(y, p[f"{name}.mlp.c_proj.weight"], p[f"{name}.mlp.c_proj.bias"])
    return x


def layer_norm(p, name, x):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])


def image_tokens(p, a, image):
    """image [n, 3, side, side] in [-1, 1] -> tokens after the last block, [n, 1 + cells, width]."""
    mean = torch.tensor(PIXEL_MEAN)[:, None, None]
    deviation = torch.tensor(PIXEL_DEVIATION)[:, None, None]
    pixels = ((image + 1) / 2 - mean) / deviation
    n, cells = len(pixels), a.side // a.patch
    patches = pixels.view(n, 3, cells, a.patch, cells, a.patch).permute(0, 2, 4, 1, 3, 5)
    x = F.linear(patches.reshape(n, cells * cells, -1), p["visual.conv1.weight"].flatten(1))
    x = torch.cat([p["visual.class_embedding"].expand(n, 1, -1), x], 1)
    x = layer_norm(p, "visual.ln_pre", x + p["visual.positional_embedding"])
    return transformer(p, "visual.", a.image_blocks, x)


def image_state(p, a, image):
    """image [n, 3, side, side] in [-1, 1] -> what the projection reads, [n, width], in float32."""
    return class_state(p, image_tokens(p, a, image))


def class_state(p, tokens):
    with torch.autocast("cpu", enabled=False):
        return layer_norm(p, "visual.ln_post", tokens[:, 0].float())


def encode_image(p, a, image):
    """image [n, 3, side, side] in [-1, 1] -> unit features [n, features]."""
    state = image_state(p, a, image)
    # Features of two pictures differ little while the tower is trained: bfloat16 would round it off.
    with torch.autocast("cpu", enabled=False):
        return F.normalize(state @ p["visual.proj"], dim=1)


def encode_text(p, a, tokens):
    """tokens [n, context], rows of the cut vocabulary -> unit features [n, features]."""
    end = tokens.argmax(1)  # the end of text is the last row
    length = int(end.max()) + 1  # what follows changes nothing
    x = p["token_embedding.weight"][tokens[:, :length]] + p["positional_embedding"][:length]
    mask = torch.full((length, length), -math.inf).triu(1)
    x = transformer(p, "", a.text_blocks, x, mask)
    x = layer_norm(p, "ln_final", x[torch.arange(len(x)), end])
    return F.normalize(x @ p["text_projection"], dim=1)
