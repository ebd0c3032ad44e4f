"""Trains the demo CLIP's image tower, on the CPU: its gradient is to lead from a photo to a style.

    deno run -A models/demo/recipe/dump_texts.ts DATA/train 16000 1      (and DATA/held 512 2)
    python3 models/demo/recipe/train_clip.py --data DATA/train \\
        --generator DATA/styles/state.pt --out DATA/clip
    python3 models/demo/recipe/train_attributes.py --data DATA --tower DATA/clip/state.pt \\
        --out DATA/attributes.pt
    python3 models/demo/recipe/fit_clip.py --data DATA/train --tower DATA/attributes.pt \\
        --out models/demo/clip.safetensors

It goes on from its last checkpoint when it is started again. See train_generator.py for the
pictures and for the generator.

Each style has a place in the space of features, and so a direction from the photo's place. The loss
is one minus the cosine between the gradient, with respect to the picture, of the features'
projection on a direction, and the way from the picture to the true picture in that style: for
pictures whole, for their details alone, and for what sets pictures of one style apart from each
other, which is what keeps people themselves. THIS LOSS USES THE WORLD'S KNOWN PAIRS, which a CLIP
trained on captions alone does not have.

Pictures are points of the generator's space of styles, those of adaptations that follow this very
gradient while it is trained, and blends of true pictures.
"""

import argparse
import math
import os
import random
import time

import torch
import torch.nn.functional as F

from clip import Architecture, encode_image, initial_parameters
from files import STYLES, save_state
from muon import Muon, is_matrix
from style_space import GROUP, Adaptation, StyleSpace

WIDTH, FEATURES = 192, 96  # of the tower while it is trained; fit_clip.py makes its own projection
EMA = 0.995
PATHS, MET, BLENDS = 4, 4, 8  # groups, running adaptations, and pictures of a batch
RATE, MUON_RATE, DECAY = 2.5e-3, 0.008, 0.02


def details(x):
    """What a blur over five pixels takes away."""
    return x - F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)


def apart(x):
    """Groups of pictures without the mean of their group."""
    groups = x.view(-1, GROUP, *x.shape[1:])
    return (groups - groups.mean(1, keepdim=True)).flatten(0, 1)


def image_gradient(p, a, x, directions):
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encode_image(p, a, x)
    score = (features * directions).sum()
    return torch.autograd.grad(score, x, create_graph=True)[0]


def misalignment(gradient, change):
    """1 - cosine of each picture's gradient and the true change, [n]."""
    pair = (gradient.flatten(1).float(), change.flatten(1).float())
    return 1 - F.cosine_similarity(*pair, dim=1, eps=1e-12)


def share_of_rate(step, steps):
    """Rises over 50 steps and falls as a cosine."""
    return min((step + 1) / 50, 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


def initial_places():
    """[styles, features]. Any will do: the text tower learns to say them."""
    common = F.normalize(torch.randn(FEATURES), dim=0)
    return F.normalize(common + F.normalize(torch.randn(len(STYLES), FEATURES), dim=1), dim=1)


def train(options):
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    os.makedirs(options.out, exist_ok=True)
    space = StyleSpace(options.generator, options.data)
    a = Architecture(0, image_width=WIDTH, features=FEATURES)
    places = initial_places()
    p = {n: v for n, v in initial_parameters(a).items() if n.startswith("visual.")}
    for value in p.values():
        value.requires_grad_()
    muon = Muon({n: v for n, v in p.items() if is_matrix(n, v)}, MUON_RATE, DECAY)
    adam = torch.optim.Adam([v for n, v in p.items() if not is_matrix(n, v)], betas=(0.9, 0.98))
    ema = {name: value.detach().clone() for name, value in p.items()}
    path, step = f"{options.out}/state.pt", 0
    if os.path.exists(path):
        state = torch.load(path)
        step, ema, places = state["step"], state["ema"], state["places"]
        with torch.no_grad():
            for name, value in p.items():
                value.copy_(state["parameters"][name])
        muon.momentum = state["momentum"]
        adam.load_state_dict(state["adam"])
        torch.manual_seed(options.seed + step)
        random.seed(options.seed + step)
    directions = F.normalize(places - places[:1], dim=1)
    adaptations = [Adaptation(space, style) for style in range(1, len(STYLES))]
    sums, mark = torch.zeros(4), time.time()
    while step < options.steps:
        share = share_of_rate(step, options.steps)
        running = []
        if step >= options.met_from:
            running = [adaptations[(MET * step + i) % len(adaptations)] for i in range(MET)]
        batches = [space.paths(PATHS), *(one.pictures() for one in running), space.blends(BLENDS)]
        x, true = (torch.cat([batch[i] for batch in batches]) for i in range(2))
        styles = torch.tensor(sum((batch[2] for batch in batches), []))
        change, gradient = true - x, image_gradient(p, a, x, directions[styles])
        whole = misalignment(gradient, change)
        fine = misalignment(details(gradient), details(change))
        own = misalignment(apart(gradient[:-BLENDS]), apart(change[:-BLENDS]))
        groups = gradient.detach().split(GROUP)
        for adaptation, own_gradient in zip(running, groups[PATHS:]):
            adaptation.follow(own_gradient)
        adam.zero_grad()
        muon.zero_grad()
        (2 * whole.mean() + 2 * fine.mean() + 2 * own.mean()).backward()
        adam.param_groups[0]["lr"] = RATE * share
        adam.step()
        muon.step(share)
        step += 1
        with torch.no_grad():
            decay = min(EMA, step / (step + 10))
            torch._foreach_lerp_(list(ema.values()), list(p.values()), 1 - decay)
            met = whole[GROUP * PATHS : -BLENDS].mean() if running else torch.zeros(())
            sums += torch.stack([whole.mean(), fine.mean(), own.mean(), met])
        if step % options.every == 0 or step == options.steps:
            names = ("whole", "detail", "own", "met")
            losses = ", ".join(f"{n} {v / options.every:.3f}" for n, v in zip(names, sums.tolist()))
            print(f"{step}: {losses}; {time.time() - mark:.0f} s", flush=True)
            save_state(path, {
                "parameters": {name: value.detach() for name, value in p.items()},
                "ema": ema, "momentum": muon.momentum, "adam": adam.state_dict(),
                "places": places, "step": step,
            })
            sums, mark = torch.zeros(4), time.time()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=2800)
    # Before that, the gradient would lead adaptations nowhere.
    parser.add_argument("--met-from", type=int, default=700)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())
