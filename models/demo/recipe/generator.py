"""StyleGAN2's generator in plain PyTorch, with the parameter names of rosinality's layout.

The parameters live in a flat dict, name -> tensor, so that what is trained is what is written. One
thing differs from the stored form while training: the mapping network's parameters are 100 times
smaller (the layout keeps them divided by their learning rate factor 0.01).

Two things may be among the parameters or not: a layer's noise, and "NAME.shift" [n or 1, in], which
is added to the styles of a convolution (a way through what is called StyleSpace) and never written.
"""

import math

import torch
import torch.nn.functional as F

MAPPING_LR = 0.01
GAIN = math.sqrt(2)


class Architecture:
    def __init__(self, channels=(128, 128, 96, 64, 32), z_size=64, w_size=64, mapping_depth=4):
        self.channels, self.z_size, self.w_size = channels, z_size, w_size
        self.mapping_depth = mapping_depth
        # (name, in, out, resolution, doubles the resolution, row of w+) of each 3x3 convolution.
        self.convs = [("conv1", channels[0], channels[0], 4, False, 0)]
        # (name, in, resolution, row of w+) of each ToRGB layer.
        self.rgbs = [("to_rgb1", channels[0], 4, 1)]
        for block in range(1, len(channels)):
            below, here, side = channels[block - 1], channels[block], 4 << block
            self.convs.append((f"convs.{2 * block - 2}", below, here, side, True, 2 * block - 1))
            self.convs.append((f"convs.{2 * block - 1}", here, here, side, False, 2 * block))
            self.rgbs.append((f"to_rgbs.{block - 1}", here, side, 2 * block + 1))


def initial_parameters(a):
    """Standard normal weights, as the layout scales them when they are used."""
    p = {"input.input": torch.randn(1, a.channels[0], 4, 4)}
    for k in range(1, a.mapping_depth + 1):
        p[f"style.{k}.weight"] = torch.randn(a.w_size, a.z_size if k == 1 else a.w_size)
        p[f"style.{k}.bias"] = torch.zeros(a.w_size)

    def modulated(name, inside, out, kernel):
        p[f"{name}.conv.weight"] = torch.randn(1, out, inside, kernel, kernel)
        p[f"{name}.conv.modulation.weight"] = torch.randn(inside, a.w_size)
        p[f"{name}.conv.modulation.bias"] = torch.ones(inside)

    for name, inside, out, *_ in a.convs:
        modulated(name, inside, out, 3)
        p[f"{name}.activate.bias"] = torch.zeros(out)
    for name, inside, *_ in a.rgbs:
        modulated(name, inside, 3, 1)
        p[f"{name}.bias"] = torch.zeros(1, 3, 1, 1)
    return p


def initial_noise(a):
    """The noise of all layers but that of 4x4 pixels: what stays at its place on the canvas."""
    p = {}
    for name, _, _, side, _, row in a.convs[1:]:
        p[f"{name}.noise.weight"] = torch.full((1,), 0.02)
        p[f"noises.noise_{row}"] = torch.randn(1, 1, side, side)
    return p


def mapping(p, a, z):
    """z [n, z_size] -> w [n, w_size]."""
    x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for k in range(1, a.mapping_depth + 1):
        weight = p[f"style.{k}.weight"]
        x = F.linear(x, weight / math.sqrt(weight.shape[1]), p[f"style.{k}.bias"])
        x = F.leaky_relu(x, 0.2) * GAIN
    return x


def low_pass(channels, dtype):
    """The [1, 3, 3, 1] filter on each channel; it sums to 4 as three of four pixels were zero."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return (torch.outer(line, line) / 16).to(dtype).expand(channels, 1, 4, 4).contiguous()


def style_of(p, a, name, w):
    weight = p[f"{name}.conv.modulation.weight"]
    style = F.linear(w, weight / math.sqrt(a.w_size), p[f"{name}.conv.modulation.bias"])
    return style + p.get(f"{name}.shift", 0)


def styled_conv(p, a, conv, x, w, dtype):
    """x [n, in, r, r] -> [n, out, r * up, r * up]; the weight is shared, the style scales x."""
    name, inside, out, _, up, row = conv
    weight = p[f"{name}.conv.weight"][0] / math.sqrt(9 * inside)
    style = style_of(p, a, name, w)  # [n, in]
    norm2 = style.square() @ weight.square().sum((2, 3)).T
    scale = torch.rsqrt(norm2 + 1e-8).to(dtype)  # [n, out]
    x = x * style.to(dtype)[:, :, None, None]
    weight = weight.to(dtype)
    if up:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        y = F.conv2d(y, low_pass(out, dtype), padding=1, groups=out)
    else:
        y = F.conv2d(x, weight, padding=1)
    bias = p[f"{name}.activate.bias"][:, None, None]
    if f"noises.noise_{row}" in p:
        bias = bias + p[f"{name}.noise.weight"] * p[f"noises.noise_{row}"][0]
    # The gain is positive, so it may as well come before the activation.
    bias, scale = (GAIN * bias).to(dtype), GAIN * scale[:, :, None, None]
    return F.leaky_relu(torch.addcmul(bias, y, scale), 0.2)


def to_rgb(p, a, rgb, x, w, smaller):
    name, inside, *_ = rgb
    style = style_of(p, a, name, w) / math.sqrt(inside)
    weight = p[f"{name}.conv.weight"][0, :, :, 0, 0] * style[:, None]  # [n, 3, in]
    n, _, r, _ = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(n, r * r, inside)
    y = (pixels @ weight.transpose(1, 2).to(x.dtype)).transpose(1, 2).reshape(n, 3, r, r).float()
    y = y + p[f"{name}.bias"]
    if smaller is None:
        return y
    spread = F.conv_transpose2d(smaller, low_pass(3, y.dtype), stride=2, padding=1, groups=3)
    return y + spread


def synthesis(p, a, w, resolution=64, dtype=torch.float32):
    """w [n, w_size], or one row for each layer [n, rows, w_size] -> [n, 3, r, r], about [-1, 1]."""
    row = (lambda i: w) if w.dim() == 2 else (lambda i: w[:, i])
    x = p["input.input"].expand(len(w), -1, -1, -1).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    image = None
    for rgb in a.rgbs:
        if rgb[2] > resolution:
            break
        for conv in a.convs:
            if conv[3] == rgb[2]:
                x = styled_conv(p, a, conv, x, row(conv[5]), dtype)
        image = to_rgb(p, a, rgb, x, row(rgb[3]), image)
    return image


def stored_form(p, a, mean_w):
    """What goes into the checkpoint: the layout's scales, its buffers and the mean w."""
    out = {"conv1.noise.weight": torch.zeros(1), "noises.noise_0": torch.zeros(1, 1, 4, 4)}
    for name, value in p.items():
        out[name] = value / MAPPING_LR if name.startswith("style.") else value
    kernel = low_pass(1, torch.float32)[0, 0]
    for name, _, _, _, up, _ in a.convs:
        if up:
            out[f"{name}.conv.blur.kernel"] = kernel
    for name, *_ in a.rgbs[1:]:
        out[f"{name}.upsample.kernel"] = kernel
    out["latent_avg"] = mean_w
    return out
