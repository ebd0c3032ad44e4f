"""Gives a trained image tower its projection, and a text tower that speaks of the same things.

See train_clip.py for how to call it. Nothing here changes where the tower's gradient leads.

The projection's first rows are those of the styles (style_rows); the next come from the attributes'
head; one is constant, and keeps the features in a narrow cone, in which they are nearly linear. A
bias of the last norm puts the styles' thresholds where they tell most of the true pictures apart.
"""

import argparse
import json
import math
import random

import torch
import torch.nn.functional as F

from clip import Architecture, encode_text, image_state
from files import STYLES, as_image, read_latents, read_pictures, write_safetensors
from style_space import disturbed
from texts import Texts, class_codes, train_texts
from train_attributes import BLOCKS
from train_clip import WIDTH

SPREAD = 0.15  # of features along the styles' directions
ATTRIBUTES_SPREAD = 0.045
# Photos behind the attributes' spread; scenes in every style behind the thresholds, with captions.
SCENES = {"spread": 2000, "thresholds": 300, "captions": 2000}
LOGIT_SCALE = 100


def states_of(p, a, pixels, change=lambda image: image):
    images = (change(as_image(part)) for part in pixels.split(100))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        return torch.cat([image_state(p, a, image) for image in images])


def attribute_rows(states, head, codes):
    """(rows [width, codes], offset [codes]) that say of photos' states what the head says: for two
    classes the difference of their logits, else the logits less their mean; of one size for all."""
    rows, offset = [], []
    sizes = [len(code) for code in codes]
    for weight, bias in zip(head["weight"].split(sizes), head["bias"].split(sizes)):
        if len(weight) == 2:
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        else:
            weight, bias = weight - weight.mean(0), bias - bias.mean()
        scale = 1 / (states @ weight.T + bias).std()
        rows.append(scale * weight.T)
        offset.append(scale * bias)
    return torch.cat(rows, 1), torch.cat(offset)


def style_thresholds(features, names):
    """What brings features [styles, n, d] nearest to the name [d] of their style, added to them."""
    threshold = torch.zeros(features.shape[2], requires_grad=True)
    optimiser = torch.optim.Adam([threshold], lr=0.01)
    truth = torch.arange(len(STYLES)).repeat_interleave(features.shape[1])
    for _ in range(3000):
        logits = 2 * LOGIT_SCALE * (features + threshold).flatten(0, 1) @ names.T
        optimiser.zero_grad()
        F.cross_entropy(logits, truth).backward()
        optimiser.step()
    return threshold.detach()


def fit(options):
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    tower = torch.load(options.tower)
    p, places = tower["parameters"], tower["places"]
    texts = Texts(options.data, len(read_latents(options.data)))
    codes = class_codes([len(classes) for classes in texts.known["classes"]])
    styles, width = places.shape[1], codes[0].shape[1]
    features = 32 * math.ceil((styles + width + 1) / 32)
    a = Architecture(len(texts.known["vocabulary"]), image_width=WIDTH, image_blocks=BLOCKS + 1,
                     features=features)

    train = [read_pictures(options.data, style) for style in STYLES]
    photos = states_of(p, a, train[0][: SCENES["spread"]])
    shown = torch.stack([states_of(p, a, pixels[: SCENES["thresholds"]]) for pixels in train])
    every = shown.flatten(0, 1)
    by_style = tower["rows"] * SPREAD / (every @ tower["rows"]).var(0).sum().sqrt()
    by_class, offset = attribute_rows(photos, tower["head"], codes)
    scale = ATTRIBUTES_SPREAD / (photos @ by_class).var(0).sum().sqrt()
    # Before its weight and bias, the last norm's outputs have the mean zero: this row is constant.
    even = F.normalize(1 / p["visual.ln_post.weight"], dim=0)[:, None]
    rest = torch.zeros(WIDTH, features - styles - width - 1)
    projection = torch.cat([by_style, scale * by_class, 0.5 * even, rest], 1).half().float()
    centred = (shown - every.mean(0)) @ projection[:, :styles]

    def bias_for(names):
        """What the features lack, [features], for names [styles, features] of the styles."""
        bias = torch.zeros(features)
        thresholds = style_thresholds(centred, names[:, :styles])
        bias[:styles] = thresholds - every.mean(0) @ projection[:, :styles]
        bias[styles : styles + width] = scale * offset
        bias[styles + width] = 1 - (every @ projection)[:, styles + width].mean()
        return bias

    captioned = [states_of(p, a, pixels[: SCENES["captions"]], disturbed) for pixels in train]
    pictures = torch.stack(captioned)
    pictures = F.normalize(pictures @ projection + bias_for(places), dim=2)
    text = train_texts(a, texts, places, codes, pictures, LOGIT_SCALE, options.steps)
    with torch.no_grad():
        named = [F.normalize(encode_text(text, a, style).mean(0), dim=0) for style in texts.names]

    image = {**p, "visual.proj": projection}
    bias = bias_for(torch.stack(named))
    added = torch.linalg.lstsq(projection.T, bias, driver="gelsd").solution
    image["visual.ln_post.bias"] = p["visual.ln_post.bias"] + added
    text["logit_scale"] = torch.tensor(math.log(LOGIT_SCALE))
    metadata = {
        "format": "pt",
        "steps": str(tower["step"]),
        "seed": str(options.seed),
        "nada.vocabulary": json.dumps(texts.known["vocabulary"]),
        "nada.templates": json.dumps(texts.known["templates"]),
    }
    write_safetensors(options.out, {**image, **text}, metadata)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--tower", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=2500)  # of the text tower
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    fit(parser.parse_args())
