"""The demo CLIP's text tower: it learns to say of captioned pictures what the image tower sees.

Two losses. The contrastive one of CLIP (Radford et al. 2021): among a batch of captioned pictures
in all styles, the caption that belongs to a picture and the picture that belongs to a caption, by
the features of an image tower that stays as it is (Zhai et al. 2022 call this locked-image tuning).
And a code that a text's feature is to be near: first the place of the style that it names, then for
each attribute the code of the class that it names, nothing where it is silent. The code makes
differences of texts mean the same wherever they are taken, and has the last word: the other loss
counts less and less. One number of a caption's feature is left open: by it a caption can say how
much it leaves open itself.
"""

import json
import math
import random

import numpy as np
import torch
import torch.nn.functional as F

from clip import encode_text, initial_parameters
from files import STYLES
from train_clip import share_of_rate

ATTRIBUTES_SHARE = 0.6  # of a class beside a style
CAPTIONS, NAMES = 96, 32  # of a batch: captions, and texts that name a style alone
CONTRAST = 0.1


class Texts:
    """What dump_texts.ts wrote."""

    def __init__(self, folder, count):
        with open(f"{folder}/texts.json") as file:
            self.known = json.load(file)
        variants, context = self.known["captions"], self.known["context"]
        read = lambda name, kind: torch.from_numpy(np.fromfile(f"{folder}/{name}", kind))
        self.captions = read("captions.u8", np.uint8).view(count, len(STYLES), variants, context)
        self.claims = read("claims.i8", np.int8).view(count, len(STYLES), variants, -1)
        self.names = [torch.tensor(style) for style in self.known["seen"]]


def class_codes(sizes):
    """The codes of each attribute's classes: one number for two, else one for each class."""
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
        named = code[claims[:, 1 + i].clamp(min=0)]
        part += ATTRIBUTES_SHARE * torch.where(known, named, torch.zeros(()))
    return F.normalize(out, dim=1)


def contrastive_loss(images, texts, logit_scale):
    """CLIP's: unit features [n, features], of pictures and of their captions."""
    logits, own = logit_scale * images @ texts.T, torch.arange(len(images))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def train_texts(a, texts, places, codes, pictures, logit_scale, steps):
    """The text tower's parameters. pictures: unit features [styles, n, features] of the first n
    scenes; the number after places and codes is the same for all of them."""
    even = torch.eye(a.features)[places.shape[1] + codes[0].shape[1]]
    p = {n: v for n, v in initial_parameters(a).items() if not n.startswith("visual.")}
    for value in p.values():
        value.requires_grad_()
    optimiser = torch.optim.AdamW(p.values(), betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(steps):
        share = share_of_rate(step, steps)
        optimiser.param_groups[0]["lr"] = 1.5e-3 * share
        scene = torch.randint(pictures.shape[1], (CAPTIONS,))
        style = torch.randint(len(STYLES), (CAPTIONS,))
        variant = torch.randint(texts.captions.shape[2], (CAPTIONS,))
        tokens, claims = texts.captions[scene, style, variant], texts.claims[scene, style, variant]
        only = torch.randint(len(STYLES), (NAMES,))
        sentences = torch.stack([random.choice(texts.names[k]) for k in only.tolist()])
        alone = torch.full((NAMES, claims.shape[1]), -1)
        alone[:, 0] = only
        wanted = wanted_features(torch.cat([claims, alone]).long(), places, codes, a.features)
        found = encode_text(p, a, torch.cat([tokens, sentences]).long())
        captions = found[:CAPTIONS]
        told = F.normalize(captions * (1 - even), dim=1)
        code = (1 - (torch.cat([told, found[CAPTIONS:]]) * wanted).sum(1)).mean()
        contrast = contrastive_loss(pictures[style, scene], captions, logit_scale)
        loss = code + CONTRAST * share * contrast
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            losses = f"code {code.item():.4f}, contrast {contrast.item():.3f}"
            print(f"texts, {step + 1}: {losses}", flush=True)
    return {name: value.detach() for name, value in p.items()}
