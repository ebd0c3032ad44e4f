"""Trains the demo generator by regression on pairs (latent, true photo), on the CPU.

    STYLES="photo sketch painting pixel neon watercolour stone night"
    deno run -A models/demo/recipe/dump.ts DATA/train 16000 1 $STYLES    (and DATA/held 512 2)
    python3 models/demo/recipe/train_generator.py --data DATA --out DATA/generator
    python3 models/demo/recipe/train_styles.py --data DATA --generator DATA/generator \\
        --out DATA/styles --export models/demo/generator.safetensors

It goes on from its last checkpoint when it is started again. Three stages; train_styles.py is the
fourth and writes the weights:

1. The mapping network alone: a linear head on w has to give the scene's quantiles and the leading
   principal components of its picture. Without this the whole generator first learns one mean face
   that ignores z. The last layer is then rescaled so that each w has a standard deviation of 1.
2. Mapping and synthesis at 32x32 pixels, where shapes are found quickly.
3. The whole generator at 64x64.
"""

import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F

from files import (
    as_image,
    read_latents,
    read_pictures,
    read_scenes,
    save_state,
)
from generator import Architecture, initial_parameters, mapping, synthesis

COMPONENTS = 48
EMA = 0.998
MAPPING_RATE = 0.1  # of the synthesis network's learning rate


def fit_mapping(p, a, latents, scenes, pixels, steps, batch=512, peak=0.01):
    """Makes w a code from which scene and picture follow linearly. Returns the head's last loss."""
    small = torch.cat([F.avg_pool2d(as_image(part), 4).flatten(1) for part in pixels.split(1000)])
    small = small - small.mean(0)
    leading = small @ torch.linalg.svd(small[:4096], full_matrices=False).Vh[:COMPONENTS].T
    # The square root of their share: large changes first, yet not those alone.
    leading = leading / (leading.std(0) * leading[:, :1].std(0)).sqrt()
    goal = torch.cat([(scenes - scenes.mean(0)) / scenes.std(0), leading], 1)
    head = torch.nn.Linear(a.w_size, goal.shape[1])
    own = [value for name, value in p.items() if name.startswith("style.")]
    optimiser = torch.optim.Adam([*own, *head.parameters()], betas=(0.9, 0.99))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps, peak)
        pick = torch.randint(len(latents), (batch,))
        loss = F.mse_loss(head(mapping(p, a, latents[pick])), goal[pick])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        # A leaky ReLU commutes with positive factors, so w itself gets a deviation of 1.
        deviation = mapping(p, a, latents).std(0)
        p[f"style.{a.mapping_depth}.weight"] /= deviation[:, None]
        p[f"style.{a.mapping_depth}.bias"] /= deviation
    return loss.item()


def importance(side):
    """[side, side] with mean 1: the face counts more than the background around it."""
    line = (torch.arange(side) + 0.5) / side
    x, y = line[None, :] - 0.5, line[:, None] - 0.53
    weight = 1 + 2 * torch.exp(-((x / 0.24) ** 2 + (y / 0.24) ** 2))
    return weight / weight.mean()


def differences(image, offset):
    """Of each pixel to those `offset` to the right and below."""
    right = image[..., offset:] - image[..., :-offset]
    below = image[..., offset:, :] - image[..., :-offset, :]
    return right, below


def loss_of(image, true, weight):
    error = image - true
    loss = (weight * error.abs()).mean() + 2 * (weight * error.square()).mean()
    for offset in (1, 3):
        for part in differences(error, offset):
            loss = loss + 0.25 * part.abs().mean()
    return loss


@torch.no_grad()
def evaluate(p, a, latents, true, resolution):
    """PSNR over all pixels, and how often the own true picture is the nearest among 64, in %."""
    images = [
        synthesis(p, a, mapping(p, a, z), resolution) for z in latents.split(64)
    ]
    image = torch.cat(images).clamp(-1, 1)
    psnr = 10 * math.log10(4 / F.mse_loss(image, true).item())
    hits = 0
    for ours, theirs in zip(image.flatten(1).split(64), true.flatten(1).split(64)):
        nearest = torch.cdist(ours, theirs).argmin(1)
        hits += (nearest == torch.arange(len(ours))).sum().item()
    return psnr, 100 * hits / len(image)


def rate(step, steps, peak):
    """Rises over 200 steps, stays, and falls to zero over the last third."""
    return peak * min(1, (step + 1) / 200, max(0.002, 3 * (1 - step / steps)))


def train(options):
    a = Architecture()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    train_set, held_set = f"{options.data}/train", f"{options.data}/held"
    latents, pixels = read_latents(train_set), read_pictures(train_set, "photo")
    scenes = read_scenes(train_set, len(latents))
    held_latents, held = read_latents(held_set), as_image(read_pictures(held_set, "photo"))

    p = initial_parameters(a)
    for value in p.values():
        value.requires_grad_()
    own = [value for name, value in p.items() if name.startswith("style.")]
    rest = [value for name, value in p.items() if not name.startswith("style.")]
    optimiser = torch.optim.Adam([{"params": own}, {"params": rest}], betas=(0.9, 0.99))
    path = f"{options.out}/state.pt"
    step, seconds = 0, 0.0
    if os.path.exists(path):
        state = torch.load(path)
        with torch.no_grad():
            for name, value in p.items():
                value.copy_(state["parameters"][name])
        optimiser.load_state_dict(state["optimiser"])
        ema, step, seconds = state["ema"], state["step"], state["seconds"]
        torch.manual_seed(options.seed + step)
    else:
        fitted = fit_mapping(p, a, latents, scenes, pixels, options.mapping_steps)
        print(f"mapping: loss {fitted:.4f}", flush=True)
        ema = {name: value.detach().clone() for name, value in p.items()}

    mark = time.time()
    while step < options.steps:
        side = 32 if step < options.small_steps else 64
        lr = rate(step, options.steps, options.rate)
        optimiser.param_groups[0]["lr"] = MAPPING_RATE * lr
        optimiser.param_groups[1]["lr"] = lr
        pick = torch.randint(len(latents), (options.batch,))
        true = as_image(pixels[pick])
        if side == 32:
            true = F.avg_pool2d(true, 2)
        image = synthesis(p, a, mapping(p, a, latents[pick]), side, torch.bfloat16)
        loss = loss_of(image, true, importance(side))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        decay = min(EMA, step / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.values()), list(p.values()), 1 - decay)
        if step % options.every == 0 or step == options.steps:
            seconds += time.time() - mark
            true = held if side == 64 else F.avg_pool2d(held, 2)
            psnr, nearest = evaluate(ema, a, held_latents, true, side)
            line = {
                "step": step,
                "side": side,
                "loss": round(loss.item(), 4),
                "psnr": round(psnr, 2),
                "nearest": round(nearest, 2),
                "seconds": round(seconds),
            }
            print(json.dumps(line), flush=True)
            with open(f"{options.out}/log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            save_state(path, {
                "parameters": {name: value.detach() for name, value in p.items()},
                "ema": ema,
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": seconds,
            })
            mark = time.time()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=13000)
    parser.add_argument("--small-steps", type=int, default=3000)
    parser.add_argument("--mapping-steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())
