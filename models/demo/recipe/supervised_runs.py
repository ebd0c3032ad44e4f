"""Pictures of generators on their way to a style, as a run that follows a perfect gradient meets them.

    python3 models/demo/recipe/supervised_runs.py --data DATA/train --generator \\
        models/demo/generator.safetensors --out DATA/runs.pt

Trains the generator's convolution layers on the true pictures of each style, at two rates, and keeps
its weights after some of the steps: [(style, step, {name: float16 tensor}), ...].
"""

import argparse

import torch

from adaptations import BETAS, is_trained
from files import as_image, read_generator, read_latents, read_pictures
from generator import Architecture, mapping, synthesis

KEPT = (3, 8, 15, 25, 40, 60, 90, 120, 160, 200)
RATES = (0.008, 0.004)
BATCH = 4


def main(options):
    torch.manual_seed(0)
    a, frozen = Architecture(), read_generator(options.generator)
    z, runs = read_latents(options.data), []
    for k, style in enumerate(options.styles, 1):
        pictures = read_pictures(options.data, style)
        for rate in RATES:
            p = {name: value.clone() for name, value in frozen.items()}
            trained = {name: value for name, value in p.items() if is_trained(name)}
            for value in trained.values():
                value.requires_grad_()
            optimiser = torch.optim.Adam(trained.values(), lr=rate, betas=BETAS)
            for step in range(max(KEPT) + 1):
                if step in KEPT:
                    runs.append((k, step, {n: v.detach().half() for n, v in trained.items()}))
                scenes = torch.randint(len(z), (BATCH,))
                with torch.no_grad():
                    w = mapping(frozen, a, z[scenes])
                drawn = synthesis(p, a, w, dtype=torch.bfloat16)
                error = drawn - as_image(pictures[scenes])
                optimiser.zero_grad()
                (error.abs().mean() + error.square().mean()).backward()
                optimiser.step()
        print(style, flush=True)
    torch.save(runs, options.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--styles", nargs="+", default=[
        "sketch", "painting", "pixel", "neon", "watercolour", "stone", "night"])
    main(parser.parse_args())
