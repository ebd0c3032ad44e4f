"""Muon (Jordan et al. 2024): momentum whose matrices are made nearly orthogonal for each step."""

import torch

MOMENTUM = 0.95


def orthogonalised(matrix):
    """Newton-Schulz steps towards the nearest orthogonal matrix."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).float()


class Muon:
    def __init__(self, matrices, rate, decay):
        """matrices: name -> [out, in]. A step shrinks them by decay * rate."""
        self.matrices, self.rate, self.decay = matrices, rate, decay
        self.momentum = {name: torch.zeros_like(matrix) for name, matrix in matrices.items()}

    def zero_grad(self):
        for matrix in self.matrices.values():
            matrix.grad = None

    @torch.no_grad()
    def step(self, share):
        """share: of the learning rate."""
        rate = share * self.rate
        for name, matrix in self.matrices.items():
            momentum = self.momentum[name].mul_(MOMENTUM).add_(matrix.grad)
            direction = orthogonalised(matrix.grad + MOMENTUM * momentum)
            size = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.add_(direction, alpha=-rate * size).mul_(1 - self.decay * rate)


def is_matrix(name, value):
    """Whether a parameter of a CLIP is one of its blocks' matrices."""
    return value.dim() == 2 and "resblocks" in name
