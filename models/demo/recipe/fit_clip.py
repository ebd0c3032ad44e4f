"""Gives a trained image tower its projection, and a text tower that speaks of the same things.

See train_clip.py for how to call it. It changes little of where the tower's gradient leads.

The projection's first rows are those of the styles (style_rows), which give way a little so that
they tell more of the true pictures apart; the next come from the attributes' head; one is constant,
and keeps the features in a narrow cone, in which they are nearly linear. A bias of the last norm
holds the styles' thresholds.
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
# Of cosines when styles are told apart: sharper than in use, as single errors are to count.
SHARPNESS, READOUT_STEPS = 300, 1500
STIFFNESS = 1.5  # of the styles' rows


def states_of(p, a, pixels, change=lambda image: image):
    images = (change(as_image(part)) for part in pixels.split(100))
    # In float32: styles are a hundredth apart.
    with torch.no_grad():
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


def style_readout(states, rows, ways, names, levels):
    """(change of the rows [width, styles], threshold [styles]) that bring states [styles, n, width]
    nearest to the name [styles] of their own style. The rows give way along `ways` [styles, 7], by
    little: what they are is where the gradient leads. levels [styles] are what the rest of the
    features adds to the cosine with a name."""
    change = torch.zeros(len(rows), ways.shape[1], requires_grad=True)
    threshold = torch.zeros(ways.shape[1], requires_grad=True)
    rates = (3e-4, 3e-3)
    optimiser = torch.optim.Adam([{"params": change}, {"params": threshold}])
    truth = torch.arange(len(STYLES)).repeat_interleave(states.shape[1])
    states = states.flatten(0, 1)
    states, said = states - states.mean(0), names @ ways
    trained = (states @ rows) @ names.T + levels
    for step in range(READOUT_STEPS):
        for group, rate in zip(optimiser.param_groups, rates):
            group["lr"] = rate * (1 - step / READOUT_STEPS)
        cosines = trained + (states @ change + threshold) @ said.T
        given = (change.norm() / rows.norm()).square()
        loss = F.cross_entropy(SHARPNESS * cosines, truth) + STIFFNESS * given
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"styles: loss {loss.item():.4f}, rows gave way by {given.sqrt().item():.3f}", flush=True)
    return (change @ ways.T).detach(), (ways @ threshold).detach()


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
    ways = torch.linalg.qr((places[1:] - places[:1]).T)[0]

    def readout(names):
        """(projection, what its features lack [features]) for names [styles, features]."""
        change, threshold = style_readout(
            shown, by_style, ways, names[:, :styles], names[:, styles + width]
        )
        parts = [by_style + change, scale * by_class, 0.5 * even, rest]
        projection = torch.cat(parts, 1).half().float()
        mean = every.mean(0) @ projection
        bias = torch.zeros(features)
        bias[:styles] = threshold - mean[:styles]
        bias[styles : styles + width] = scale * offset
        bias[styles + width] = 1 - mean[styles + width]
        return projection, bias

    captioned = [states_of(p, a, pixels[: SCENES["captions"]], disturbed) for pixels in train]
    pictures = torch.stack(captioned)
    projection, bias = readout(F.pad(places, (0, features - styles)))
    pictures = F.normalize(pictures @ projection + bias, dim=2)
    text = train_texts(a, texts, places, codes, pictures, LOGIT_SCALE, options.steps)
    with torch.no_grad():
        named = [F.normalize(encode_text(text, a, style).mean(0), dim=0) for style in texts.names]

    projection, bias = readout(torch.stack(named))
    image = {**p, "visual.proj": projection}
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
    parser.add_argument("--steps", type=int, default=2000)  # of the text tower
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    fit(parser.parse_args())
