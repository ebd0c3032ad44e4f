"""Trains the demo CLIP on captioned scenes in all styles, on the CPU.

    STYLES="photo sketch painting pixel neon watercolour stone night"
    deno run -A models/demo/recipe/dump.ts DATA/train 5000 3 $STYLES
    deno run -A models/demo/recipe/dump_texts.ts DATA/train 5000 3     (and DATA/held 512 4)
    python3 models/demo/recipe/train_clip.py --data DATA --out DATA/clip \\
        --generator DATA/generator/state.pt --steps 12000

It goes on from its last checkpoint when it is started again; --export writes the weights from there.

Three losses:

- Contrastive: pictures against captions. A batch shows the same scenes in several styles, so that
  neither style nor person alone tells pairs apart. A caption that leaves something open fits
  several pictures; all of them count as its own.
- Direction: from a scene's photo to another of its styles as from text to text.
- Alignment: the gradient of the text direction's score with respect to the picture points to the
  true picture in that style. A network that classifies perfectly can do without this; adapting a
  generator cannot. Some pictures lie between photo and truth, the others come from adaptations that
  run meanwhile. THIS LOSS USES THE WORLD'S KNOWN PAIRS, which a CLIP trained on captions alone does
  not have.
"""

import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from adaptations import BATCH, Adaptation
from clip import Architecture, encode_image, encode_text, initial_parameters
from files import as_image, read_latents, read_pictures, save_state, write_safetensors

EMA = 0.998
SCENES, STYLES_EACH = 8, 4  # of the contrastive batch
ALIGN_SCENES, ALIGN_EACH = 6, 4  # of the alignment batch
ADAPTED = 2  # styles whose adaptation gives pictures to each batch
MET_FROM = 1000  # the step before which the CLIP would lead adaptations nowhere
# Captions and alignment pull against each other: trained on captions first, or with twice their
# weight, the network tells styles apart within minutes and its alignment hardly moves.
CAPTION_WEIGHT = (0.5, 2.0)  # at the first and at the last step


class Data:
    def __init__(self, folder):
        with open(f"{folder}/texts.json") as file:
            self.texts = json.load(file)
        styles, attributes = self.texts["styles"], self.texts["attributes"]
        self.styles, self.attributes = styles, attributes
        self.latents = read_latents(folder)
        self.pictures = [read_pictures(folder, style) for style in styles]
        count, variants = len(self.latents), self.texts["captions"]
        context = self.texts["context"]
        read = lambda name, kind: torch.from_numpy(np.fromfile(f"{folder}/{name}", kind)).long()
        self.captions = read("captions.u8", np.uint8).view(count, len(styles), variants, context)
        self.claims = read("claims.i8", np.int8).view(count, len(styles), variants, -1)
        self.classes = read("classes.i8", np.int8).view(count, len(attributes))
        self.count, self.variants = count, variants

    def images(self, scenes, style):
        return as_image(self.pictures[style][scenes])


def other_styles(data, count):
    """Styles but the first, the photo, each at most once."""
    return 1 + torch.randperm(len(data.styles) - 1)[:count]


def each_in_its_style(data, scenes, styles):
    rows = zip(scenes.split(1), styles.tolist())
    return torch.cat([data.images(scene, style) for scene, style in rows])


def text_directions(p, a, data, seen):
    """[styles, features]: from "photo" to each style, by random names in two random templates."""
    templates = len(data.texts["directions"][0])
    tokens = []
    for names in seen:
        name = torch.randint(len(names) // templates, ()).item()
        tokens.append(names.view(-1, templates, names.shape[-1])[name])
    pick = torch.randperm(templates)[:2]
    chosen = torch.stack(tokens)[:, pick]
    features = encode_text(p, a, chosen.flatten(0, 1)).view(len(seen), len(pick), -1)
    return F.normalize((features - features[:1]).mean(1), dim=1)


def smooth(shape, cells):
    """Random smooth fields of about standard deviation 1."""
    noise = torch.randn(shape[0], shape[1], cells, cells)
    return F.interpolate(noise, shape[2:], mode="bicubic", align_corners=False)


def moved(images):
    """The same small random shift and zoom for each row of several batches of pictures."""
    n = len(images[0])
    zoom = 1 + 0.08 * torch.randn(n)
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = zoom
    matrix[:, :, 2] = 0.06 * torch.randn(n, 2)
    grid = F.affine_grid(matrix, images[0].shape, align_corners=False)
    return [F.grid_sample(x, grid, padding_mode="border", align_corners=False) for x in images]


def on_the_way(photo, true):
    """Pictures such as an adaptation meets: between photo and true picture, beyond, disturbed."""
    n = len(photo)
    share = torch.rand(n, 1, 1, 1) * 1.1
    share = torch.where(torch.rand(n, 1, 1, 1) < 0.3, torch.zeros(()), share)
    uneven = 0.4 * smooth((n, 1, 64, 64), 4) * (torch.rand(n, 1, 1, 1) < 0.4)
    x = photo + (share + uneven).clamp(0, 1.2) * (true - photo)
    level = 0.25 * torch.rand(n, 1, 1, 1) ** 2
    x = x + level * smooth(x.shape, 8) + 0.5 * level * torch.randn_like(x)
    return x + 0.2 * torch.randn(n, 3, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.3)


def details(x):
    """What a blur over five pixels takes away."""
    return x - F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)


def cosine(a, b):
    return F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1, eps=1e-12)


def image_gradient(p, a, x, photo, direction, create_graph):
    """Of the directional score at x [n, ...]; of the plain score where photo is None."""
    x = x.detach().requires_grad_()
    features = encode_image(p, a, x)
    if photo is None:
        score = (features * direction).sum()
    else:
        with torch.no_grad():
            origin = encode_image(p, a, photo)
        edit = features - origin
        # Equal pictures have no direction; their gradient is then that of the plain score.
        length = (edit.square().sum(1) + 1e-4).sqrt()
        score = ((edit * direction).sum(1) / length).sum()
    return torch.autograd.grad(score, x, create_graph=create_graph)[0]


def alignment_loss(p, a, data, directions):
    scenes = torch.randint(data.count, (ALIGN_SCENES,)).repeat_interleave(ALIGN_EACH)
    others = [other_styles(data, ALIGN_EACH) for _ in range(ALIGN_SCENES)]
    styles = torch.cat(others)
    photo, true = data.images(scenes, 0), each_in_its_style(data, scenes, styles)
    if torch.rand(()) < 0.5:
        photo, true = moved([photo, true])
    x = on_the_way(photo, true)
    origin = photo if torch.rand(()) < 0.5 else None
    gradient = image_gradient(p, a, x, origin, directions[styles], create_graph=True)
    whole = cosine(gradient, true - x)
    fine = cosine(details(gradient), details(true - x))
    return 1 - whole.mean(), 1 - fine.mean()


def adaptation_loss(p, a, data, directions, adaptations, step):
    """As the alignment loss, at pictures of running adaptations, which take a step each."""
    losses = []
    for i in range(ADAPTED):
        k = (ADAPTED * step + i) % len(adaptations)
        scenes = torch.randint(data.count, (BATCH,))
        photo, x = adaptations[k].pictures(data.latents[scenes])
        wanted = directions[k + 1].expand(BATCH, -1)
        gradient = image_gradient(p, a, x, photo, wanted, create_graph=True)
        adaptations[k].follow(gradient.detach())
        change = data.images(scenes, k + 1) - x
        losses.append(1 - cosine(gradient, change).mean())
        losses[-1] = losses[-1] + 0.5 * (1 - cosine(details(gradient), details(change)).mean())
    return sum(losses) / ADAPTED


def fits(claims, styles, classes):
    """[pictures, texts]: whether all that a caption claims is true of a picture."""
    truth = torch.cat([styles[:, None], classes], 1)[:, None]
    return ((claims[None] < 0) | (claims[None] == truth)).all(2)


def contrastive_loss(p, a, data, directions):
    scenes = torch.randint(data.count, (SCENES,))
    photo = torch.zeros(1, dtype=torch.long)
    others = [torch.cat([photo, other_styles(data, STYLES_EACH - 1)]) for _ in range(SCENES)]
    styles = torch.cat(others)
    scenes = scenes.repeat_interleave(STYLES_EACH)
    images = each_in_its_style(data, scenes, styles)
    variant = torch.randint(data.variants, (len(scenes),))
    tokens = data.captions[scenes, styles, variant]
    mask = fits(data.claims[scenes, styles, variant], styles, data.classes[scenes])

    images = moved([images])[0]
    level = 0.1 * torch.rand(len(images), 1, 1, 1)
    images = images + level * torch.randn_like(images)
    images = images + 0.1 * torch.randn(len(images), 3, 1, 1)
    image_features = encode_image(p, a, images)
    text_features = encode_text(p, a, tokens)
    logits = p["logit_scale"].exp() * image_features @ text_features.T
    own = mask.float()
    to_text = -(logits.log_softmax(1) * own).sum(1) / own.sum(1)
    to_image = -(logits.log_softmax(0) * own).sum(0) / own.sum(0)

    grouped = image_features.view(SCENES, STYLES_EACH, -1)
    edit = (grouped[:, 1:] - grouped[:, :1]).flatten(0, 1)
    wanted = directions[styles.view(SCENES, STYLES_EACH)[:, 1:].flatten()]
    direction = 1 - F.cosine_similarity(edit, wanted, dim=1).mean()
    return (to_text.mean() + to_image.mean()) / 2, direction


def batched(f, x, size=64):
    return torch.cat([f(part) for part in x.split(size)])


def measure(p, a, data, count=128):
    """Zero-shot accuracy and alignment on held-out scenes."""
    scenes = torch.arange(count)
    out = {}
    with torch.no_grad():
        unseen = [torch.tensor(t) for t in data.texts["unseen"]]
        prompts = torch.stack([F.normalize(encode_text(p, a, t).mean(0), dim=0) for t in unseen])
        encode = lambda x: encode_image(p, a, x)
        features = [batched(encode, data.images(scenes, k)) for k in range(len(data.styles))]
        right = [(f @ prompts.T).argmax(1) == k for k, f in enumerate(features)]
        out["style"] = round(100 * torch.cat(right).float().mean().item(), 1)
        out["attributes"] = {}
        for i, name in enumerate(data.attributes):
            texts = encode_text(p, a, torch.tensor(data.texts["classes"][i]))
            truth = data.classes[scenes, i]
            known = truth >= 0
            hits = [((f @ texts.T).argmax(1) == truth)[known] for f in features]
            out["attributes"][name] = round(100 * torch.cat(hits).float().mean().item())
        named = [torch.tensor(t) for t in data.texts["directions"]]
        encoded = torch.stack([encode_text(p, a, t) for t in named])
        directions = F.normalize((encoded - encoded[:1]).mean(1), dim=1)
    out["alignment"] = {}
    photo = data.images(scenes, 0)
    for k, name in enumerate(data.styles[1:], 1):
        true, row = data.images(scenes, k), []
        for share in (0, 0.3, 0.7):
            x, origin = photo + share * (true - photo), None if share == 0 else photo
            wanted = directions[k].expand(count, -1)
            g = image_gradient(p, a, x, origin, wanted, create_graph=False)
            row.append(round(cosine(g, true - x).mean().item(), 3))
        row.append(round(cosine(details(g), details(true - x)).mean().item(), 3))
        out["alignment"][name] = row
    means = np.mean(list(out["alignment"].values()), 0)
    out["alignment"]["mean"] = [round(float(value), 3) for value in means]
    return out


def rate(step, steps, peak):
    """Rises over 300 steps, then falls as a cosine."""
    return peak * min((step + 1) / 300, 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


def train(options):
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    data, held = Data(f"{options.data}/train"), Data(f"{options.data}/held")
    a = Architecture(len(data.texts["vocabulary"]), image_width=options.width)
    seen = [torch.tensor(t) for t in data.texts["seen"]]
    p = initial_parameters(a)
    for value in p.values():
        value.requires_grad_()
    image_parameters = [v for name, v in p.items() if name.startswith("visual.")]
    decayed = [v for v in p.values() if v.dim() >= 2]
    plain = [v for v in p.values() if v.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
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
        ema = {name: value.detach().clone() for name, value in p.items()}
    frozen = torch.load(options.generator)["ema"]
    adaptations = [Adaptation(frozen) for _ in data.styles[1:]]
    sums, since, mark = torch.zeros(5), 0, time.time()
    while step < options.steps:
        for group in optimiser.param_groups:
            group["lr"] = rate(step, options.steps, options.rate)
        optimiser.zero_grad()
        met = torch.zeros(())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            directions = text_directions(p, a, data, seen)
            contrast, direction = contrastive_loss(p, a, data, directions)
            fixed = directions.detach()
            whole, fine = alignment_loss(p, a, data, fixed)
            if step >= MET_FROM:
                met = adaptation_loss(p, a, data, fixed, adaptations, step)
        # Second derivatives have spikes; these must not drown what the captions teach.
        (2 * whole + fine + met).backward()
        torch.nn.utils.clip_grad_norm_(image_parameters, 3.0)
        low, high = CAPTION_WEIGHT
        weight = low + (high - low) * step / options.steps
        (weight * (contrast + 0.6 * direction)).backward()
        optimiser.step()
        step += 1
        decay = min(EMA, step / (step + 10))
        with torch.no_grad():
            p["logit_scale"].clamp_(0, math.log(100))
            torch._foreach_lerp_(list(ema.values()), list(p.values()), 1 - decay)
            sums += torch.stack([contrast, direction, whole, fine, met])
            since += 1
        if step % options.every == 0 or step == options.steps:
            seconds += time.time() - mark
            names = ("contrastive", "direction", "alignment", "detail", "met")
            losses = {name: round(value, 4) for name, value in zip(names, (sums / since).tolist())}
            line = {"step": step, "seconds": round(seconds), "losses": losses, **measure(ema, a, held)}
            print(json.dumps(line), flush=True)
            with open(f"{options.out}/log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            save_state(path, {
                "parameters": {name: value.detach() for name, value in p.items()},
                "ema": ema,
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": seconds,
                "width": options.width,
            })
            sums, since, mark = torch.zeros(5), 0, time.time()


def export(options):
    """Writes the averaged weights; the cut vocabulary goes into the metadata."""
    state = torch.load(f"{options.out}/state.pt")
    held = Data(f"{options.data}/held")
    a = Architecture(len(held.texts["vocabulary"]), image_width=state["width"])
    metadata = {
        "format": "pt",
        "steps": str(state["step"]),
        "seed": str(options.seed),
        "nada.vocabulary": json.dumps(held.texts["vocabulary"]),
        "nada.templates": json.dumps(held.texts["templates"]),
    }
    write_safetensors(options.export, state["ema"], metadata)
    rounded = {name: value.half().float() for name, value in state["ema"].items()}
    print(json.dumps(measure(rounded, a, held, 512), indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--generator", help="state.pt of train_generator.py")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--export")
    arguments = parser.parse_args()
    export(arguments) if arguments.export else train(arguments)
