"""A fifth block for the demo CLIP's image tower: it tells people's attributes, and no styles.

See train_clip.py for how to call it. The four blocks stay as they are, and with them where the
gradient of a style's score leads:

- What the new block adds to the class token is orthogonal to what the scores of the styles read,
  to the vector of ones (the last norm takes the mean away) and to the mean class token (else its
  length would change, by which the norm divides). Its last matrices are projected so every step.
- Penalties on how far it moves the class token, and on how much it moves the scores of photos and
  of pictures in all styles, keep the rest small: the norm's division is not linear.

It is trained by cross entropy of the attributes' classes, on photos and on pictures in all other
styles, with a linear head, of which fit_clip.py makes rows of the projection. Two things make this
a matter of minutes: almost all of a token is the same for all pictures, so the block's norms start
by taking just that away; and what the block adds is scaled up, as it has to be seen beside tokens
of a norm in the hundreds.
"""

import argparse

import torch
import torch.nn.functional as F

from clip import Architecture, class_state, image_tokens, initial_parameters, transformer
from files import STYLES, as_image, read_classes, read_latents, read_pictures, save_state
from muon import Muon, is_matrix
from train_clip import FEATURES, WIDTH, share_of_rate

BLOCKS = 4  # before the new one
OUTPUTS = ("out_proj", "c_proj")  # the layers that add to the tokens
SCALE = 15
PENALTY, SCORES_PENALTY = 20, 1
RATE, DECAY, MUON_RATE, MUON_DECAY = 2e-3, 0.05, 0.01, 0.03
PHOTOS, STYLED = 80, 96  # of a batch
SCENES, HELD_SCENES = 3000, 128  # in every style


@torch.no_grad()
def tokens_of(p, pixels):
    a = Architecture(0, image_width=WIDTH, image_blocks=BLOCKS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return torch.cat([image_tokens(p, a, as_image(part)).float() for part in pixels.split(100)])


def style_rows(p, places, states):
    """[width, features], what the scores of the styles read of the states: as train_clip.py trained
    them, but linear. The gradient of a unit feature is at right angles to it, and features differ
    little from their mean."""
    common = F.normalize(F.normalize(states @ p["visual.proj"], dim=1).mean(0), dim=0)
    rows = p["visual.proj"] @ (torch.eye(FEATURES) - torch.outer(common, common))
    return rows @ projector((places[1:] - places[:1]).T)


def projector(columns):
    """The symmetric matrix that leaves their span alone and takes the rest away."""
    basis = torch.linalg.qr(columns)[0]
    return basis @ basis.T


def started_block(name, tokens, parameters):
    """A block's parameters; its norms take away what the tokens [n, count, width] share."""
    p = {n: v for n, v in parameters.items() if n.startswith(name)}
    normed = F.layer_norm(tokens, (WIDTH,))
    for norm, x in (("ln_1", normed.flatten(0, 1)), ("ln_2", normed[:, 0])):
        deviation = x.std(0).clamp(min=0.02 if norm == "ln_2" else 0)
        p[f"{name}.{norm}.weight"] = 1 / deviation
        p[f"{name}.{norm}.bias"] = -x.mean(0) / deviation
    return p


def class_losses(logits, classes, sizes):
    """The mean cross entropy of the attributes; those without a class are left out."""
    parts = zip(logits.split(sizes, 1), classes.T)
    return sum(F.cross_entropy(part[y >= 0], y[y >= 0]) for part, y in parts) / len(sizes)


def rates(logits, classes, sizes):
    parts = zip(logits.split(sizes, 1), classes.T)
    return [100 * (part[y >= 0].argmax(1) == y[y >= 0]).float().mean().item() for part, y in parts]


def train(options):
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tower = torch.load(options.tower)
    p, places = tower["ema"], tower["places"]
    folders = [f"{options.data}/{name}" for name in ("train", "held")]
    classes, held_classes = (read_classes(f, len(read_latents(f))) for f in folders)
    photos, held = (read_pictures(folder, "photo") for folder in folders)
    sizes = (classes.amax(0) + 1).tolist()

    mean = tokens_of(p, photos[:500]).mean(0)

    def stored_tokens(pixels):
        """Half the memory, and nothing is lost: what tokens have in common is kept apart."""
        return torch.cat([(tokens_of(p, part) - mean).half() for part in pixels.split(1000)])

    stored, held_tokens = stored_tokens(photos), tokens_of(p, held)
    others = [read_pictures(folders[0], style)[:SCENES] for style in STYLES[1:]]
    styled = torch.cat([stored_tokens(pixels) for pixels in others])
    styled_classes = classes[:SCENES].repeat(len(others), 1)
    held_others = [read_pictures(folders[1], style)[:HELD_SCENES] for style in STYLES[1:]]
    held_styled = torch.cat([tokens_of(p, pixels) for pixels in held_others])
    held_sets = (
        ("photos", held_tokens, held_classes),
        ("styled", held_styled, held_classes[:HELD_SCENES].repeat(len(held_others), 1)),
    )
    states = class_state(p, torch.cat([stored[:SCENES, :1], styled[:, :1]]).float() + mean[:1])
    rows = style_rows(p, places, states)
    # The scores themselves, of a spread of 1 in all.
    score_rows = rows @ (places[1:] - places[:1]).T
    score_rows = score_rows / (states @ score_rows).var(0).sum().sqrt()
    read = p["visual.ln_post.weight"][:, None] * score_rows
    seen = projector(torch.cat([torch.ones(WIDTH, 1), read, mean[:1].T], 1))

    full = initial_parameters(Architecture(0, image_width=WIDTH, image_blocks=BLOCKS + 1))
    name = f"visual.transformer.resblocks.{BLOCKS}"
    block = started_block(name, stored[:2000].float() + mean, full)
    head = torch.nn.Linear(WIDTH, sum(sizes))
    for value in block.values():
        value.requires_grad_()
    muon = Muon({n: v for n, v in block.items() if is_matrix(n, v)}, MUON_RATE, MUON_DECAY)
    parameters = [*(v for n, v in block.items() if not is_matrix(n, v)), *head.parameters()]
    adam = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=DECAY)

    def used():
        """The block as it is stored: scaled, and blind for styles."""
        return {
            n: SCALE * (v - seen @ v) if any(part in n for part in OUTPUTS) else v
            for n, v in block.items()
        }

    def class_tokens(x):
        return transformer(used(), "visual.", 1, x, first=BLOCKS)[:, :1].float()

    for step in range(options.steps):
        share = share_of_rate(step, options.steps)
        pick, other = torch.randint(len(stored), (PHOTOS,)), torch.randint(len(styled), (STYLED,))
        x = torch.cat([stored[pick], styled[other]]).float() + mean
        truth = torch.cat([classes[pick], styled_classes[other]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = class_tokens(x)
        before, after = class_state(p, x), class_state(p, y)
        entropy = class_losses(head(after), truth, sizes)
        moved = (y - x[:, :1]).norm(dim=2) / x[:, :1].norm(dim=2)
        scores = ((after - before) @ score_rows).square().sum(1).mean()
        adam.zero_grad()
        muon.zero_grad()
        (entropy + PENALTY * moved.square().mean() + SCORES_PENALTY * scores).backward()
        adam.param_groups[0]["lr"] = RATE * share
        adam.step()
        muon.step(share)
        if (step + 1) % options.every == 0 or step + 1 == options.steps:
            told = f"moved {moved.mean().item():.2f}, scores {scores.item():.4f}"
            print(f"{step + 1}: loss {entropy.item():.3f}, {told}", flush=True)
            for name, tokens, true in held_sets:
                with torch.no_grad():
                    found = rates(head(class_state(p, class_tokens(tokens))), true, sizes)
                print(f"  {name}:", " ".join(f"{v:.0f}" for v in found), "%", flush=True)
    block = {n: value.detach() for n, value in used().items()}
    save_state(options.out, {
        "parameters": {**p, **block}, "head": {n: v.detach() for n, v in head.named_parameters()},
        "rows": rows, "places": places, "step": tower["step"],
    })


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--tower", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())
