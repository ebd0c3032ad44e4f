"""Teaches the demo generator all styles, and writes it with none of them switched on, on the CPU.

See train_generator.py for how to call it; it goes on from its last checkpoint.

Each style is a shift of the style vectors of the 3x3 convolutions (a point of StyleSpace); the
photo's is zero. A quarter of the pictures are photos, the others are asked for at a share t of a
shift: the generator has to draw photo + t * (styled - photo), so that the way to a style is a
straight cross-fade. The layers from 8x8 pixels on add a stored noise image, which is trained as
well: paper, grain and strokes stay at their place on the canvas, and are drawn from there.

THE SHIFTS ARE NOT WRITTEN. What is written is a plain StyleGAN2 that draws photos, with the styles
near by in its weights: a generator that has drawn textures before.
"""

import argparse
import os
import time

import torch
import torch.nn.functional as F

from files import STYLES, as_image, read_latents, read_pictures, save_state, write_safetensors
from generator import (
    Architecture,
    initial_noise,
    initial_parameters,
    mapping,
    stored_form,
    synthesis,
)
from train_generator import EMA, evaluate, importance, loss_of, rate

MAPPING_RATE = 0.02  # of the other layers': the photos are to stay where they are
WHOLE = 0.6  # of the styled pictures have a share of 1, the others any
TEXTURE = 0.5
LIMIT = 0.5  # of each number of a shift: adaptations move all alike, and are to get there


def energies(image):
    """How much of fine and of less fine detail there is around each point, in brightness."""
    found = []
    for x in (image.mean(1, keepdim=True), F.avg_pool2d(image.mean(1, keepdim=True), 2)):
        high = x - F.avg_pool2d(x, 3, 1, 1)
        found.append(F.avg_pool2d(high.abs(), 5, 2))
    return found


def texture_loss(image, true):
    """Texture that is at the wrong place by a pixel is better than none, which L1 would prefer."""
    pairs = zip(energies(image), energies(true))
    return sum((ours - theirs).abs().mean() for ours, theirs in pairs)


def initial_shifts(a):
    """"NAME.shift" -> [styles but the photo, channels that the convolution reads]."""
    return {f"{name}.shift": torch.zeros(len(STYLES) - 1, inside) for name, inside, *_ in a.convs}


def shifted(p, shifts, styles, shares):
    """The parameters for pictures that are `shares` [n] of the way to `styles` [n], from 1 on."""
    return {**p, **{name: shares[:, None] * way[styles - 1] for name, way in shifts.items()}}


def draw_batch(data, size):
    """(latents, styles, shares, true pictures), the first quarter photos."""
    latents, pictures = data
    scenes = torch.randint(len(latents), (size,))
    styles = torch.randint(1, len(STYLES), (size,))
    shares = torch.where(torch.rand(size) < WHOLE, torch.ones(()), torch.rand(size))
    shares[: size // 4] = 0
    photo = as_image(pictures[0][scenes])
    styled = torch.stack([as_image(pictures[k][i]) for i, k in zip(scenes, styles)])
    true = photo + shares[:, None, None, None] * (styled - photo)
    return latents[scenes], styles, shares, true


def read_data(folder):
    return read_latents(folder), [read_pictures(folder, style) for style in STYLES]


@torch.no_grad()
def psnr_of_styles(p, shifts, a, data):
    latents, pictures = data
    found = {}
    for k, (style, pixels) in enumerate(zip(STYLES, pictures)):
        own = {name: way[k - 1 : k] for name, way in shifts.items()} if k > 0 else {}
        found[style] = evaluate({**p, **own}, a, latents, as_image(pixels), 64)[0]
    return found


def train(options):
    a = Architecture()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    data, held = read_data(f"{options.data}/train"), read_data(f"{options.data}/held")
    p, shifts = {**initial_parameters(a), **initial_noise(a)}, initial_shifts(a)
    photos = torch.load(f"{options.generator}/state.pt")["ema"]
    p.update({name: value.clone() for name, value in photos.items()})
    trained = [*p.values(), *shifts.values()]
    for value in trained:
        value.requires_grad_()
    own = [value for name, value in p.items() if name.startswith("style.")]
    rest = [value for name, value in p.items() if not name.startswith("style.")]
    groups = [{"params": own}, {"params": [*rest, *shifts.values()]}]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    ema = {name: value.detach().clone() for name, value in {**p, **shifts}.items()}
    path, step = f"{options.out}/state.pt", 0
    if os.path.exists(path):
        state = torch.load(path)
        step, ema = state["step"], state["ema"]
        with torch.no_grad():
            for name, value in {**p, **shifts}.items():
                value.copy_(state["parameters"][name])
        optimiser.load_state_dict(state["optimiser"])
        torch.manual_seed(options.seed + step)

    weight, total, mark = importance(64), 0.0, time.time()
    while step < options.steps:
        lr = rate(step, options.steps, options.rate)
        optimiser.param_groups[0]["lr"] = MAPPING_RATE * lr
        optimiser.param_groups[1]["lr"] = lr
        z, styles, shares, true = draw_batch(data, options.batch)
        q = shifted(p, shifts, styles, shares)
        image = synthesis(q, a, mapping(p, a, z), 64, torch.bfloat16)
        loss = loss_of(image, true, weight) + TEXTURE * texture_loss(image, true)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        total += loss.item()
        decay = min(EMA, step / (step + 10))
        with torch.no_grad():
            for way in shifts.values():
                way.clamp_(-LIMIT, LIMIT)
            torch._foreach_lerp_(list(ema.values()), trained, 1 - decay)
        if step % options.every == 0 or step == options.steps:
            psnr = psnr_of_styles(*split(ema), a, held)
            shown = ", ".join(f"{style} {value:.1f}" for style, value in psnr.items())
            seconds = time.time() - mark
            print(f"{step}: {total / options.every:.4f}; {shown} dB; {seconds:.0f} s", flush=True)
            save_state(path, {
                "parameters": {n: value.detach() for n, value in {**p, **shifts}.items()},
                "ema": ema,
                "optimiser": optimiser.state_dict(),
                "step": step,
            })
            total, mark = 0.0, time.time()


def split(p):
    """(the generator's parameters, the shifts)"""
    shifts = {name: value for name, value in p.items() if name.endswith(".shift")}
    return {name: value for name, value in p.items() if name not in shifts}, shifts


def export(options):
    """Writes the averaged weights in the layout of the checkpoints, and says what float16 costs."""
    a = Architecture()
    state = torch.load(f"{options.out}/state.pt")
    p, _ = split(state["ema"])
    z = torch.randn(16384, a.z_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean_w = mapping(p, a, z).mean(0)
    metadata = {"format": "pt", "steps": str(state["step"]), "seed": str(options.seed)}
    write_safetensors(options.export, stored_form(p, a, mean_w), metadata)
    latents, pictures = read_data(f"{options.data}/held")
    rounded = {name: value.half().float() for name, value in p.items()}
    for name, parameters in (("float32", p), ("float16", rounded)):
        psnr, nearest = evaluate(parameters, a, latents, as_image(pictures[0]), 64)
        print(f"{name}: {psnr:.2f} dB, own picture nearest among 64: {nearest:.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--export", required=True)
    parser.add_argument("--steps", type=int, default=13000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.012)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    train(arguments)
    export(arguments)
