"""Gives a trained image tower its projection, and a text tower that speaks of the same things.

See train_clip.py for how to call it. Nothing here changes where the tower's gradient leads.

- The projection's first rows hold the directions of the styles as they were trained, with what they
  have in common with the mean of all pictures taken away; the next hold a ridge regression of the
  attributes' classes on photos; one is constant, and keeps the features in a narrow cone, in which
  they are nearly linear. A bias of the last norm puts the styles' thresholds where they tell most of
  the true pictures apart.
- The text tower learns the same code from captions alone: the named style's place, and the classes
  of the attributes that a caption names.
"""

import argparse
import json
import math
import os
import random

import numpy as np
import torch
import torch.nn.functional as F

from clip import Architecture, encode_text, image_state, initial_parameters
from files import as_image, read_pictures, write_safetensors
from train_clip import STYLES

SPREAD = 0.15  # of features along the styles' directions
ATTRIBUTES_SPREAD = 0.045
SCENES = (3000, 300)  # photos that teach the attributes; scenes in every style that teach the styles
TEXT_STEPS = 1200


class Texts:
    def __init__(self, folder, count):
        with open(f"{folder}/texts.json") as file:
            self.known = json.load(file)
        n, variants, context = count, self.known["captions"], self.known["context"]
        read = lambda name, kind: torch.from_numpy(np.fromfile(f"{folder}/{name}", kind)).long()
        self.captions = read("captions.u8", np.uint8).view(n, len(STYLES), variants, context)
        self.claims = read("claims.i8", np.int8).view(n, len(STYLES), variants, -1)
        self.classes = read("classes.i8", np.int8).view(n, -1)


def class_codes(sizes):
    """For each attribute its classes' codes: one number for two classes, else one for each class."""
    width = sum(1 if size == 2 else size for size in sizes)
    codes, at = [], 0
    for size in sizes:
        code = torch.zeros(size, width)
        if size == 2:
            code[:, at] = torch.tensor([-1.0, 1.0])
        else:
            code[:, at : at + size] = (torch.eye(size) - 1 / size) / math.sqrt(1 - 1 / size)
        at += 1 if size == 2 else size
        codes.append(code)
    return codes


def wanted_features(claims, places, codes, features):
    """[n, 1 + attributes] of claims, -1 for none -> unit features [n, features]."""
    out = torch.zeros(len(claims), features)
    style = claims[:, 0]
    styled = (style >= 0)[:, None]
    out[:, : places.shape[1]] = torch.where(styled, places[style.clamp(min=0)], torch.zeros(()))
    part = out[:, places.shape[1] : places.shape[1] + codes[0].shape[1]]
    for i, code in enumerate(codes):
        known = (claims[:, 1 + i] >= 0)[:, None]
        part += 0.6 * torch.where(known, code[claims[:, 1 + i].clamp(min=0)], torch.zeros(()))
    return F.normalize(out, dim=1)


def train_texts(a, texts, places, codes):
    p = {n: v for n, v in initial_parameters(a).items() if not n.startswith("visual.")}
    for value in p.values():
        value.requires_grad_()
    optimiser = torch.optim.AdamW(p.values(), betas=(0.9, 0.98), weight_decay=0.01)
    named = [torch.tensor(style) for style in texts.known["seen"]]
    for step in range(TEXT_STEPS):
        fall = 0.01 + 0.99 * (1 + math.cos(math.pi * step / TEXT_STEPS)) / 2
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * min((step + 1) / 50, fall)
        scene = torch.randint(len(texts.captions), (96,))
        style = torch.randint(len(STYLES), (96,))
        variant = torch.randint(texts.captions.shape[2], (96,))
        tokens, claims = texts.captions[scene, style, variant], texts.claims[scene, style, variant]
        only = torch.randint(len(STYLES), (24,))
        sentences = torch.stack([random.choice(named[k]) for k in only.tolist()])
        alone = torch.full((24, claims.shape[1]), -1)
        alone[:, 0] = only
        wanted = wanted_features(torch.cat([claims, alone]), places, codes, a.features)
        found = encode_text(p, a, torch.cat([tokens, sentences]))
        error = 1 - (found * wanted).sum(1) + 3 * (found - wanted).square().sum(1)
        optimiser.zero_grad()
        error.mean().backward()
        optimiser.step()
        if (step + 1) % 200 == 0:
            print(f"texts, {step + 1}: {error.mean().item():.4f}", flush=True)
    return {name: value.detach() for name, value in p.items()}


def states(p, a, pixels):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        return torch.cat([image_state(p, a, as_image(part)) for part in pixels.split(100)])


def fit(options):
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    tower = torch.load(options.tower)
    p, directions = tower["ema"], tower["directions"]
    count = os.path.getsize(f"{options.data}/train/latents.f32") // (4 * 64)
    texts = Texts(f"{options.data}/train", count)
    codes = class_codes([len(classes) for classes in texts.known["classes"]])
    places = F.normalize(directions, dim=1)
    styles, width = places.shape[1], codes[0].shape[1]
    features = 32 * math.ceil((styles + width + 1) / 32)
    a = Architecture(len(texts.known["vocabulary"]), image_width=tower["width"], features=features)
    text = train_texts(a, texts, places, codes)

    train = [read_pictures(f"{options.data}/train", style) for style in STYLES]
    photos = states(p, a, train[0][: SCENES[0]])
    shown = torch.stack([states(p, a, pixels[: SCENES[1]]) for pixels in train])
    every = shown.flatten(0, 1)
    with torch.no_grad():
        # Only what tells styles apart, and nothing of what all pictures share.
        ways = torch.linalg.svd(places[1:] - places[:1], full_matrices=False)[2]
        common = F.normalize(F.normalize(every @ p["visual.proj"], dim=1).mean(0), dim=0)
        rows = p["visual.proj"] @ (torch.eye(styles) - torch.outer(common, common))
        rows = rows @ ways.T @ ways
        rows = rows * SPREAD / (every @ rows).var(0).sum().sqrt()

        mean, deviation = photos.mean(0), photos.std(0)
        inputs = torch.cat([(photos - mean) / deviation, torch.ones(len(photos), 1)], 1)
        readout, offset = torch.zeros(len(mean), width), torch.zeros(width)
        for i, code in enumerate(codes):
            columns = code.abs().sum(0) > 0
            classes = texts.classes[: len(photos), i]
            x, y = inputs[classes >= 0], code[classes[classes >= 0]][:, columns]
            found = torch.linalg.solve(x.T @ x + 5 * torch.eye(x.shape[1]), x.T @ y)
            readout[:, columns], offset[columns] = found[:-1] / deviation[:, None], found[-1]
        scale = ATTRIBUTES_SPREAD / (photos @ readout).var(0).sum().sqrt()

        steadiest = torch.linalg.eigh(torch.cov(every.T))[1][:, :1]
        rest = torch.zeros(len(mean), features - styles - width - 1)
        projection = torch.cat([rows, scale * readout, 0.5 * steadiest, rest], 1).half().float()
        bias = torch.zeros(features)
        bias[:styles] = -(shown @ projection).mean((0, 1))[:styles]
        named = slice(styles, styles + width)
        bias[named] = scale * offset - (photos @ projection).mean(0)[named]
        bias[styles + width] = 1 - (every @ projection)[:, styles + width].mean()

    asked = [torch.tensor(style) for style in texts.known["seen"]]
    with torch.no_grad():
        names = torch.stack([F.normalize(encode_text(text, a, t).mean(0), dim=0) for t in asked])
    threshold = torch.zeros(styles, requires_grad=True)
    optimiser = torch.optim.Adam([threshold], lr=0.01)
    seen = (shown @ projection + bias)[..., :styles].detach()
    truth = torch.arange(len(STYLES)).repeat_interleave(SCENES[1])
    for _ in range(3000):
        logits = 200 * (seen + threshold).flatten(0, 1) @ names[:, :styles].T
        optimiser.zero_grad()
        F.cross_entropy(logits, truth).backward()
        optimiser.step()
    bias[:styles] += threshold.detach()

    image = {name: value.clone() for name, value in p.items()}
    image["visual.proj"] = projection
    image["visual.ln_post.bias"] += torch.linalg.lstsq(projection.T, bias, driver="gelsd").solution
    text["logit_scale"] = torch.tensor(math.log(100.0))
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
    parser.add_argument("--seed", type=int, default=1)
    fit(parser.parse_args())
