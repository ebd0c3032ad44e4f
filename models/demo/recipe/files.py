"""Raw pictures from dump.ts, safetensors files, and checkpoints that survive an interruption."""

import json
import os
import struct

import numpy as np
import torch

STYLES = ("photo", "sketch", "painting", "pixel", "neon", "watercolour", "stone", "night")


def read_latents(folder):
    """[n, 64] float32."""
    return torch.from_numpy(np.fromfile(f"{folder}/latents.f32", "<f4").reshape(-1, 64))


def read_scenes(folder, count):
    """[n, attributes] float32, quantiles from 0 to 1."""
    return torch.from_numpy(np.fromfile(f"{folder}/scenes.f32", "<f4").reshape(count, -1))


def read_classes(folder, count):
    """[n, attributes], which class a scene is in, -1 for none."""
    classes = np.fromfile(f"{folder}/classes.i8", np.int8).reshape(count, -1)
    return torch.from_numpy(classes).long()


def read_pictures(folder, style):
    """[n, 3, 64, 64] bytes, in the memory order of the file (channels last), read as needed."""
    pixels = np.memmap(f"{folder}/{style}.u8", np.uint8, "c").reshape(-1, 64, 64, 3)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def as_image(pixels):
    """Bytes -> float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def write_safetensors(path, tensors, metadata, dtype="F16"):
    """Writes tensors by name as float16 ("F16") or float32 ("F32"), replacing `path` at once."""
    numpy_type = {"F16": "<f2", "F32": "<f4"}[dtype]
    header, chunks, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        values = tensors[name].detach().float().contiguous().numpy().astype(numpy_type)
        if not np.isfinite(values).all():
            raise ValueError(f'Cannot write "{name}": a value is beyond the range of {dtype}')
        end = offset + values.nbytes
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [offset, end]}
        chunks.append(values.tobytes())
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    os.replace(path + ".tmp", path)


def save_state(path, state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)
