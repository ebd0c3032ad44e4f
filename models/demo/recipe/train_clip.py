"""Trains the demo CLIP's image tower, on the CPU: its gradient is to lead from a photo to a style.

    STYLES="photo sketch painting pixel neon watercolour stone night"
    deno run -A models/demo/recipe/dump.ts DATA/train 6000 3 $STYLES     (and DATA/held 512 4)
    deno run -A models/demo/recipe/dump_texts.ts DATA/train 6000 3       (and DATA/held 512 4)
    python3 models/demo/recipe/supervised_runs.py --data DATA/train \\
        --generator models/demo/generator.safetensors --out DATA/runs.pt
    python3 models/demo/recipe/train_clip.py --data DATA/train --runs DATA/runs.pt \\
        --generator models/demo/generator.safetensors --out DATA/clip
    python3 models/demo/recipe/fit_clip.py --data DATA --tower DATA/clip/state.pt \\
        --out models/demo/clip.safetensors

It goes on from its last checkpoint when it is started again.

Each style has a direction in the space of features. The loss is one minus the cosine between the
gradient, with respect to the picture, of the features' projection on a direction, and the way from
the picture to the true picture in that style: for pictures whole, for their details alone, and for
what sets pictures of one style apart from each other, which is what keeps people themselves. THIS
LOSS USES THE WORLD'S KNOWN PAIRS, which a CLIP trained on captions alone does not have.

Pictures come from supervised runs of the generator, from blends of photo and truth, disturbed, and
from adaptations that follow this very gradient while it is trained.
"""

import argparse
import math
import os
import random
import time

import torch
import torch.nn.functional as F

from adaptations import BATCH as MET_EACH, Adaptation
from clip import Architecture, encode_image, initial_parameters
from files import as_image, read_generator, read_latents, read_pictures, save_state
from generator import Architecture as GeneratorArchitecture, mapping, synthesis

STYLES = ["photo", "sketch", "painting", "pixel", "neon", "watercolour", "stone", "night"]
FEATURES = 96  # of the tower while it is trained; fit_clip.py makes its own projection
EMA = 0.998
SUPERVISED, BLENDS, ADAPTED = 16, 16, 4  # pictures, pictures, running adaptations of a batch
MET_FROM = 700  # the step before which the gradient would lead adaptations nowhere
RATE, MUON_RATE, DECAY = 2.5e-3, 0.008, 0.02


def smooth(shape, cells):
    """Random smooth fields of about standard deviation 1."""
    noise = torch.randn(shape[0], shape[1], cells, cells)
    return F.interpolate(noise, shape[2:], mode="bicubic", align_corners=False)


def details(x):
    """What a blur over five pixels takes away."""
    return x - F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)


def cosine(a, b):
    return F.cosine_similarity(a.flatten(1).float(), b.flatten(1).float(), dim=1, eps=1e-12)


def apart(x):
    """Pictures, four of each style after another, without the mean of their four."""
    groups = x.view(-1, 4, *x.shape[1:])
    return (groups - groups.mean(1, keepdim=True)).flatten(0, 1)


class Pictures:
    def __init__(self, options):
        self.z = read_latents(options.data)
        self.true = [read_pictures(options.data, style) for style in STYLES]
        self.frozen, self.a = read_generator(options.generator), GeneratorArchitecture()
        self.runs = torch.load(options.runs)

    def image(self, scenes, style):
        return as_image(self.true[style][scenes])

    def draw(self, p, scenes):
        with torch.no_grad():
            w = mapping(self.frozen, self.a, self.z[scenes])
            return synthesis(p, self.a, w, dtype=torch.bfloat16).float()

    def of_supervised_runs(self):
        """(pictures, true pictures, styles): four of each of some generators, some disturbed."""
        x, true, styles = [], [], []
        for _ in range(SUPERVISED // 4):
            style, _, weights = random.choice(self.runs)
            p = {**self.frozen, **{name: value.float() for name, value in weights.items()}}
            if random.random() < 0.5:
                share = random.uniform(0.3, 1.2)
                for name in weights:
                    p[name] = self.frozen[name] + share * (p[name] - self.frozen[name])
            if random.random() < 0.5:
                level = random.choice([0.01, 0.03, 0.1])
                for name in weights:
                    p[name] = p[name] + level * torch.randn_like(p[name])
            scenes = torch.randint(len(self.z), (4,))
            x.append(self.draw(p, scenes))
            true.append(self.image(scenes, style))
            styles += [style] * 4
        return torch.cat(x), torch.cat(true), styles

    def blends(self):
        """Between photo and true picture, beyond, uneven, disturbed, tinted."""
        n = BLENDS
        scenes = torch.randint(len(self.z), (n,))
        styles = [random.randint(1, len(STYLES) - 1) for _ in range(n)]
        photo = self.image(scenes, 0)
        true = torch.cat([self.image(scenes[i : i + 1], k) for i, k in enumerate(styles)])
        share = torch.rand(n, 1, 1, 1) * 1.1
        share = torch.where(torch.rand(n, 1, 1, 1) < 0.35, torch.zeros(()), share)
        uneven = 0.4 * smooth((n, 1, 64, 64), 4) * (torch.rand(n, 1, 1, 1) < 0.4)
        x = photo + (share + uneven).clamp(0, 1.2) * (true - photo)
        level = 0.25 * torch.rand(n, 1, 1, 1) ** 2
        x = x + level * smooth(x.shape, 8) + 0.5 * level * torch.randn_like(x)
        tint = 0.2 * torch.randn(n, 3, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.3)
        return x + tint, true, styles


def image_gradient(p, a, x, directions):
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encode_image(p, a, x)
    score = (features * directions).sum()
    return torch.autograd.grad(score, x, create_graph=True)[0]


def orthogonalised(matrix):
    """Newton-Schulz steps towards the nearest orthogonal matrix (Muon, Jordan et al. 2024)."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).float()


def train(options):
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    os.makedirs(options.out, exist_ok=True)
    pictures = Pictures(options)
    a = Architecture(0, image_width=options.width, features=FEATURES)
    # Any directions serve: the projection that goes into the file gives them their texts' names.
    directions = F.normalize(torch.randn(len(STYLES), FEATURES) - 0.9 * F.normalize(
        torch.randn(FEATURES), dim=0), dim=1)
    p = {n: v for n, v in initial_parameters(a).items() if n.startswith("visual.")}
    for value in p.values():
        value.requires_grad_()
    matrices = [name for name in p if p[name].dim() == 2 and "resblocks" in name]
    momentum = {name: torch.zeros_like(p[name]) for name in matrices}
    optimiser = torch.optim.Adam([v for n, v in p.items() if n not in momentum], betas=(0.9, 0.98))
    ema = {name: value.detach().clone() for name, value in p.items()}
    path, step = f"{options.out}/state.pt", 0
    if os.path.exists(path):
        state = torch.load(path)
        step, ema, momentum = state["step"], state["ema"], state["momentum"]
        directions = state["directions"]
        with torch.no_grad():
            for name, value in p.items():
                value.copy_(state["parameters"][name])
        optimiser.load_state_dict(state["optimiser"])
    adaptations = [Adaptation(pictures.frozen) for _ in STYLES[1:]]
    sums, mark = torch.zeros(4), time.time()
    while step < options.steps:
        fall = 0.01 + 0.99 * (1 + math.cos(math.pi * step / options.steps)) / 2
        share = min((step + 1) / 50, fall)
        for group in optimiser.param_groups:
            group["lr"] = RATE * share
        batches, running = [pictures.of_supervised_runs(), pictures.blends()], []
        if step >= MET_FROM:
            for i in range(ADAPTED):
                k = (ADAPTED * step + i) % len(adaptations)
                scenes = torch.randint(len(pictures.z), (MET_EACH,))
                drawn = adaptations[k].pictures(pictures.z[scenes])[1].float()
                running.append(adaptations[k])
                batches.append((drawn, pictures.image(scenes, k + 1), [k + 1] * MET_EACH))
        x, true = (torch.cat([batch[i] for batch in batches]) for i in range(2))
        styles = torch.tensor(sum((batch[2] for batch in batches), []))
        gradient = image_gradient(p, a, x, directions[styles])
        whole = 1 - cosine(gradient, true - x)
        fine = 1 - cosine(details(gradient), details(true - x))
        met = SUPERVISED + BLENDS
        grouped = torch.cat([torch.arange(SUPERVISED), torch.arange(met, len(x))])
        own = 1 - cosine(apart(gradient[grouped]), apart((true - x)[grouped]))
        for i, adaptation in enumerate(running):
            rows = slice(met + MET_EACH * i, met + MET_EACH * (i + 1))
            adaptation.follow(gradient[rows].detach().float())
        optimiser.zero_grad()
        for name in matrices:
            p[name].grad = None
        (2 * whole.mean() + 2 * fine.mean() + 2 * own.mean()).backward()
        optimiser.step()
        step += 1
        with torch.no_grad():
            for name in matrices:
                w, g = p[name], p[name].grad
                momentum[name].mul_(0.95).add_(g)
                size = max(1, w.shape[0] / w.shape[1]) ** 0.5
                w.add_(orthogonalised(g + 0.95 * momentum[name]), alpha=-MUON_RATE * share * size)
                w.mul_(1 - DECAY * MUON_RATE * share)
            decay = min(EMA, step / (step + 10))
            torch._foreach_lerp_(list(ema.values()), list(p.values()), 1 - decay)
            last = whole[met:].mean() if running else torch.zeros(())
            sums += torch.stack([whole[:met].mean(), fine.mean(), own.mean(), last])
        if step % options.every == 0 or step == options.steps:
            names = ("whole", "detail", "own", "met")
            losses = ", ".join(f"{n} {v / options.every:.3f}" for n, v in zip(names, sums.tolist()))
            print(f"{step}: {losses}; {time.time() - mark:.0f} s", flush=True)
            save_state(path, {
                "parameters": {name: value.detach() for name, value in p.items()},
                "ema": ema, "momentum": momentum, "optimiser": optimiser.state_dict(),
                "directions": directions, "step": step, "width": options.width,
            })
            sums, mark = torch.zeros(4), time.time()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=3400)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())
