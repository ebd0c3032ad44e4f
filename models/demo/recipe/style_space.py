"""Pictures such as adaptations meet, with the true picture that each of them should become.

The generator of train_styles.py reaches every style by a shift, so a point on the way to a style,
or beside it, is one forward pass away. An adaptation never sees a true picture: most are drawn.
"""

import random

import torch
import torch.nn.functional as F

from files import STYLES, as_image
from generator import Architecture, mapping, synthesis
from train_styles import read_data, split

GROUP = 4  # pictures of one style, one after another
BETAS = (0.0, 0.99**0.8)  # of Adam in an adaptation


class StyleSpace:
    def __init__(self, generator, data):
        """generator: the state of train_styles.py; data: a folder of dump.ts."""
        self.a = Architecture()
        self.p, self.shifts = split(torch.load(generator)["ema"])
        self.deviations = {name: way.std(0) for name, way in self.shifts.items()}
        self.z, self.pictures = read_data(data)

    def draw(self, shift, scenes):
        """shift: "NAME.shift" -> [channels] -> pictures [n, 3, 64, 64]."""
        with torch.no_grad():
            w = mapping(self.p, self.a, self.z[scenes])
        return synthesis({**self.p, **shift}, self.a, w, dtype=torch.bfloat16).float()

    def some_scenes(self, count):
        return torch.randint(len(self.z), (count,))

    def true(self, scenes, style):
        return as_image(self.pictures[style][scenes])

    @torch.no_grad()
    def paths(self, groups):
        """(pictures, true pictures, styles): on the way to a style, beyond, beside it, and on from
        another one; each group of one generator."""
        x, true, styles = [], [], []
        for _ in range(groups):
            style = random.randrange(1, len(STYLES))
            share = 0 if random.random() < 0.25 else random.uniform(0, 1.1)
            level = random.choice((0, 0, 0.1, 0.25, 0.5))
            other = random.randrange(1, len(STYLES))
            mixed = random.uniform(0, 0.5) if random.random() < 0.3 else 0
            shift = {}
            for name, way in self.shifts.items():
                aside = level * self.deviations[name] * torch.randn(way.shape[1])
                shift[name] = share * way[style - 1] + mixed * way[other - 1] + aside
            scenes = self.some_scenes(GROUP)
            x.append(self.draw(shift, scenes))
            true.append(self.true(scenes, style))
            styles += [style] * GROUP
        return torch.cat(x), torch.cat(true), styles

    def blends(self, count):
        """The same of true pictures: between photo and style, beyond, disturbed."""
        scenes = self.some_scenes(count)
        styles = [random.randrange(1, len(STYLES)) for _ in range(count)]
        photo = self.true(scenes, 0)
        true = torch.cat([self.true(scenes[i : i + 1], k) for i, k in enumerate(styles)])
        share = 1.1 * torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) > 0.35)
        return disturbed(photo + share * (true - photo)), true, styles


def disturbed(x):
    """Pictures with stains and noise, most of them with little."""
    level = 0.2 * torch.rand(len(x), 1, 1, 1) ** 2
    return x + level * smooth(x.shape, 8) + 0.5 * level * torch.randn_like(x)


def smooth(shape, cells):
    """Random smooth fields of about standard deviation 1."""
    noise = torch.randn(shape[0], shape[1], cells, cells)
    return F.interpolate(noise, shape[2:], mode="bicubic", align_corners=False)


class Adaptation:
    """One that runs while the CLIP is trained: shifts that follow the CLIP's own gradient, as in a
    real run, and start afresh after 40 to 140 steps with another learning rate."""

    def __init__(self, space, style):
        self.space, self.style = space, style
        self.restart()

    def restart(self):
        self.shift = {name: torch.zeros(way.shape[1]) for name, way in self.space.shifts.items()}
        for value in self.shift.values():
            value.requires_grad_()
        self.step, self.steps = 0, random.randint(40, 140)
        rate = 0.022 * 2 ** random.uniform(-1, 1)
        self.optimiser = torch.optim.Adam(self.shift.values(), lr=rate, betas=BETAS)

    def pictures(self):
        """As StyleSpace.paths() gives them, of what it draws now."""
        scenes = self.space.some_scenes(GROUP)
        self.drawn = self.space.draw(self.shift, scenes)
        return self.drawn.detach(), self.space.true(scenes, self.style), [self.style] * GROUP

    def follow(self, gradient):
        """One step along the gradient of a score at the pictures last drawn."""
        self.optimiser.zero_grad()
        self.drawn.backward(-gradient / len(gradient))
        self.optimiser.step()
        self.step += 1
        if self.step == self.steps:
            self.restart()
