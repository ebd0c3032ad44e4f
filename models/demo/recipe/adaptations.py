"""Adaptations of the demo generator that run while the CLIP is trained.

What an adaptation meets on its way are the generator's pictures, not blends of true ones: this keeps
one adapting generator for each style and hands out its pictures. They move by the CLIP's own
gradient, as in a real run, and start afresh after 60 to 200 steps with another learning rate.
"""

import random

import torch

from generator import Architecture, mapping, synthesis

BATCH = 4
BETAS = (0.0, 0.99**0.8)


def is_trained(name):
    return name.startswith(("input", "conv1", "convs"))


class Adaptation:
    def __init__(self, frozen):
        self.a, self.frozen = Architecture(), frozen
        self.restart()

    def restart(self):
        self.p = {name: value.clone() for name, value in self.frozen.items()}
        trained = [value for name, value in self.p.items() if is_trained(name)]
        for value in trained:
            value.requires_grad_()
        self.step, self.steps = 0, random.randint(60, 200)
        rate = 0.008 * 2 ** random.uniform(-1, 0.5)
        self.optimiser = torch.optim.Adam(trained, lr=rate, betas=BETAS)

    def pictures(self, z):
        """The frozen generator's pictures, and the adapted one's with their graph."""
        with torch.no_grad():
            w = mapping(self.frozen, self.a, z)
            photo = synthesis(self.frozen, self.a, w, dtype=torch.bfloat16)
        self.drawn = synthesis(self.p, self.a, w, dtype=torch.bfloat16)
        return photo, self.drawn.detach()

    def follow(self, gradient):
        """One step along the gradient of a score at the pictures last drawn, within [-1, 1]."""
        beyond = self.drawn.detach() - self.drawn.detach().clamp(-1, 1)
        descent = -gradient / len(gradient) + 20 * beyond / beyond.numel()
        self.optimiser.zero_grad()
        self.drawn.backward(descent)
        self.optimiser.step()
        self.step += 1
        if self.step == self.steps or not torch.isfinite(descent).all():
            self.restart()
