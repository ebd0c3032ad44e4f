"""The work of the benchmarks in PyTorch, for comparison on the same machine.

Answers one JSON line on stdout for each on stdin:

    {"command": "prepare", "id", "form", "work", "tensors", "result", "read"}  ->  {"result", "notes"}
    {"command": "run", "id"}                                                   ->  {"seconds", "cpu"}
    {"command": "drop", "id"}                                                  ->  {}

`form` is "eager", the plain form: grouped convolutions with a weight for each sample, as StyleGAN2's
PyTorch code has them, explicit attention, float32. Or "best": one weight for the batch, channels
last, TF32, fused attention and optimiser, and torch.compile where it works: it takes all that torch
depends on (of packages that `pip install --no-deps torch` leaves out, filelock, fsspec, jinja2,
networkx and sympy) and a C++ compiler. It compiles, both directions, when a case is prepared, which
is not timed. Tensors are made up from seeds as in case.ts.
"""

import json
import math
import os
import sys
import time

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(json.dumps({"error": f"{error}; pip install torch numpy"}), flush=True)
    sys.exit(0)

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
torch.set_num_threads(os.cpu_count() or 1)
torch.backends.cudnn.benchmark = True


def made_up(tensor, form):
    shape = tensor["shape"]
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
        h += np.uint32(tensor["seed"] * 0x85EBCA6B & 0xFFFFFFFF)
        h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
        h = (h ^ h >> np.uint32(13)) * np.uint32(0x297A2D39)
    u = ((h >> np.uint32(8)) / 2**24 - 0.5) * math.sqrt(12)
    values = u.astype(np.float32).astype(np.float64) * tensor["scale"] + tensor["offset"]
    made = torch.from_numpy(values.astype(np.float32)).reshape(shape).to(DEVICE)
    if form == "best" and made.ndim == 5:
        made = made[0]
    if form == "best" and made.ndim == 4:
        made = made.contiguous(memory_format=torch.channels_last)
    return made


# --- StyleGAN2 ------------------------------------------------------------------------------------


def lrelu(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def linear(p, name, x, lr=1.0):
    weight = p[f"{name}.weight"]
    return F.linear(x, weight * (lr / math.sqrt(weight.shape[1])), p[f"{name}.bias"] * lr)


def mapping(p, depth, z):
    x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for k in range(1, depth + 1):
        x = lrelu(linear(p, f"style.{k}", x, 0.01))
    return x


def low_pass(x):
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device)
    return torch.outer(taps, taps) / 16


def blur(x, form):
    """[n, c, 2h + 1, 2w + 1] -> [n, c, 2h, 2w]"""
    n, c, h, w = x.shape
    if form == "best":
        return F.conv2d(x, low_pass(x).expand(c, 1, 4, 4), padding=1, groups=c)
    planes = F.conv2d(F.pad(x.reshape(n * c, 1, h, w), (1, 1, 1, 1)), low_pass(x)[None, None])
    return planes.reshape(n, c, h - 1, w - 1)


def twice(x, form):
    """[n, c, h, w] -> [n, c, 2h, 2w]"""
    n, c, h, w = x.shape
    if form == "best":
        kernel = low_pass(x).expand(c, 1, 4, 4)
        return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=c)
    spread = F.pad(x.reshape(n * c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).reshape(n * c, 1, 2 * h, 2 * w)
    return F.conv2d(F.pad(spread, (2, 1, 2, 1)), low_pass(x)[None, None]).reshape(n, c, 2 * h, 2 * w)


def modulated(x, weight, style, demodulate, up, form):
    """x [n or 1, i, h, w], style [n, i]; weight [o, i, k, k], or with a 1 in front."""
    o, i, k, _ = weight.shape[-4:]
    n = style.shape[0]
    scale = 1 / math.sqrt(i * k * k)
    if form == "best":
        style = style * scale
        x = x * style[:, :, None, None]
        if up:
            y = blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), form)
        else:
            y = F.conv2d(x, weight, padding=k // 2)
        if demodulate:
            norm2 = style.square() @ weight.square().sum((2, 3)).T
            y = y * torch.rsqrt(norm2 + 1e-8)[:, :, None, None]
        return y
    x = x.expand(n, -1, -1, -1)
    h, w = x.shape[2:]
    own = scale * weight * style[:, None, :, None, None]
    if demodulate:
        own = own * torch.rsqrt(own.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    x = x.reshape(1, n * i, h, w)
    if up:
        turned = own.transpose(1, 2).reshape(n * i, o, k, k)
        y = F.conv_transpose2d(x, turned, stride=2, groups=n)
        return blur(y.reshape(n, o, *y.shape[2:]), form)
    y = F.conv2d(x, own.reshape(n * o, i, k, k), padding=k // 2, groups=n)
    return y.reshape(n, o, *y.shape[2:])


def synthesis(p, a, w, noise, form):
    x, image = p["input.input"], None
    for rgb in a["rgbs"]:
        for conv in (c for c in a["convs"] if c["resolution"] == rgb["resolution"]):
            name = conv["name"]
            style = linear(p, f"{name}.conv.modulation", w)
            y = modulated(x, p[f"{name}.conv.weight"], style, True, conv["up"], form)
            if noise == "random":
                drawn = torch.randn(y.shape[0], 1, *y.shape[2:], device=y.device)
                y = y + p[f"{name}.noise.weight"] * drawn
            elif noise == "const":
                y = y + p[f"{name}.noise.weight"] * p[f"noises.noise_{conv['index']}"]
            x = lrelu(y + p[f"{name}.activate.bias"][:, None, None])
        name = rgb["name"]
        style = linear(p, f"{name}.conv.modulation", w)
        colours = modulated(x, p[f"{name}.conv.weight"], style, False, False, form)
        colours = colours + p[f"{name}.bias"].reshape(1, 3, 1, 1)
        image = colours if image is None else colours + twice(image, form)
    return image


# --- CLIP -----------------------------------------------------------------------------------------


def features(p, vit, image, form):
    side, width, heads = vit["imageSize"], vit["width"], vit["heads"]
    if image.shape[-1] != side:
        image = F.interpolate(image, (side, side), mode="bicubic", align_corners=False)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073], device=image.device)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711], device=image.device)
    pixels = ((image + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
    patches = F.conv2d(pixels, p["patch"], stride=vit["patchSize"]).flatten(2).transpose(1, 2)
    n = patches.shape[0]
    x = torch.cat([p["class"].expand(n, 1, width), patches], 1) + p["position"]

    def norm(name, x):
        weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
        return F.layer_norm(x, (width,), weight, bias, vit["epsilon"])

    def dense(name, x):
        return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    x = norm("norm_pre", x)
    for k in range(vit["blocks"]):
        block = f"blocks.{k}"
        qkv = dense(f"{block}.qkv", norm(f"{block}.norm1", x))
        q, k_, v = qkv.reshape(n, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        if form == "best":
            seen = F.scaled_dot_product_attention(q, k_, v)
        else:
            seen = torch.softmax(q @ k_.transpose(2, 3) * math.sqrt(heads / width), -1) @ v
        x = x + dense(f"{block}.out", seen.transpose(1, 2).reshape(n, -1, width))
        y = dense(f"{block}.fc1", norm(f"{block}.norm2", x))
        y = y * torch.sigmoid(1.702 * y) if vit["activation"] == "quick_gelu" else F.gelu(y)
        x = x + dense(f"{block}.fc2", y)
    return norm("norm_post", x[:, 0]) @ p["projection"]


# --- What is asked for ----------------------------------------------------------------------------


def under(tensors, prefix):
    return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}


class Case:
    """`body()` does the work once and returns the result that is compared, a tensor."""

    def __init__(self, work, tensors, form, read):
        self.notes = []
        self.is_compiled = False
        self.form = form
        self.read = read
        self.kind = work["kind"]
        self.tensors = {tensor["name"]: made_up(tensor, form) for tensor in tensors}
        self.body = getattr(self, self.kind)(work)

    def compiled(self, function):
        """torch.compile where it works; the plain function where it does not."""
        if self.form != "best":
            return function
        fast = None

        def call(*args):
            nonlocal fast
            if fast is None:
                try:
                    fast = torch.compile(function, dynamic=False)
                    result = fast(*args)
                    self.is_compiled = True
                    return result
                except Exception as error:  # whatever a compiler may raise
                    self.notes.append(f"not compiled: {str(error).splitlines()[0][:120]}")
                    fast = function
            return fast(*args)

        return call

    def matmul(self, work):
        a, b = self.tensors["a"], self.tensors["b"]
        b = b.T if work["transposeB"] else b
        return torch.no_grad()(lambda: a @ b)

    def conv(self, work):
        x, y, w = (self.tensors.get(name) for name in "xyw")
        options = {"stride": work["stride"], "padding": work["pad"]}
        bodies = {
            "forward": lambda: F.conv2d(x, w, **options),
            "input": lambda: F.conv_transpose2d(y, w, **options),
            "weight": lambda: torch.nn.grad.conv2d_weight(x, work["weight"], y, **options),
        }
        return torch.no_grad()(bodies[work["direction"]])

    def generator(self, work):
        a, p, form = work["architecture"], self.tensors, self.form

        def draw(p):
            return synthesis(p, a, mapping(p, a["mappingDepth"], p["z"]), "const", form)

        if not work["backward"]:
            draw = self.compiled(draw)
            return torch.no_grad()(lambda: draw(p))
        trained = [n for n in p if n.startswith(("input", "conv"))]
        for name in trained:
            p[name].requires_grad_()
        loss = self.compiled(lambda p: draw(p).square().mean())

        def body():
            gradients = torch.autograd.grad(loss(p), [p[name] for name in trained])
            return gradients[trained.index("conv1.conv.weight")]

        return body

    def clip(self, work):
        p, image, form = under(self.tensors, "clip0/"), self.tensors["image"], self.form
        if not work["gradient"]:
            look = self.compiled(lambda p, image: features(p, work["vit"], image, form))
            return torch.no_grad()(lambda: look(p, image))
        image.requires_grad_()
        loss = self.compiled(lambda p, x: features(p, work["vit"], x, form).square().mean())
        return lambda: torch.autograd.grad(loss(p, image), [image])[0]

    def step(self, work):
        a, form, noise = work["architecture"], self.form, work["noise"]
        frozen = under(self.tensors, "frozen/")
        moved = under(self.tensors, "trained/")
        noises = {n: t for n, t in frozen.items() if n.startswith("noises")}
        clips = [under(self.tensors, f"clip{i}/") for i in range(len(work["vits"]))]
        z = self.tensors["z"]
        for tensor in moved.values():
            tensor.requires_grad_()
        optimizer = torch.optim.Adam(
            moved.values(),
            lr=work["lr"] * 4 / 5,
            betas=(0.0, 0.99**0.8),
            fused=True if form == "best" else None,
        )

        def loss(frozen, moved, clips, z):
            with torch.no_grad():
                w = mapping(frozen, a["mappingDepth"], z)
                before = synthesis({**frozen, **noises}, a, w, noise, form)
                seen = [features(p, v, before, form) for p, v in zip(clips, work["vits"])]
            after = synthesis({**frozen, **moved}, a, w, noise, form)
            total = 0
            for p, vit, reference in zip(clips, work["vits"], seen):
                edit = F.normalize(features(p, vit, after, form)) - F.normalize(reference)
                if work["distance"] == "cosine":
                    edit = F.normalize(edit)
                total = total + (1 - edit.sum(1) / math.sqrt(vit["features"])).mean()
            return total

        loss = self.compiled(loss)

        def body():
            optimizer.zero_grad()
            total = loss(frozen, moved, clips, z)
            total.backward()
            optimizer.step()
            return total.detach()

        return body

    def load(self, work):
        def body():
            stored = torch.load(work["path"], map_location=DEVICE, weights_only=True)
            return torch.tensor(float(len(stored["g_ema"])))

        return body

    def run(self):
        fast = self.form == "best"
        torch.backends.cuda.matmul.allow_tf32 = fast
        torch.backends.cudnn.allow_tf32 = fast
        result = self.body()
        return result.cpu() if self.read else result

    def timed(self):
        """Seconds of one run, and of all processors in it. Short ones are repeated."""
        start, cpu, runs = clock(), time.process_time(), 0
        while True:
            self.run()
            runs += 1
            if self.kind not in ("matmul", "conv") or runs >= 100 or time.perf_counter() > start + 0.01:
                return {
                    "seconds": (clock() - start) / runs,
                    "cpu": (time.process_time() - cpu) / runs,
                }


def clock():
    if CUDA:
        torch.cuda.synchronize()
    return time.perf_counter()


def main():
    device = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"torch": torch.__version__, "device": device}), flush=True)
    cases = {}
    for line in sys.stdin:
        request = json.loads(line)
        command, key = request["command"], request["id"]
        answer = {}
        try:
            if command == "prepare":
                case = Case(request["work"], request["tensors"], request["form"], request["read"])
                if CUDA:
                    torch.cuda.reset_peak_memory_stats()
                result = case.run()
                answer["result"] = result.double().square().mean().sqrt().item()
                answer["notes"] = case.notes
                if CUDA:
                    answer["memory"] = torch.cuda.max_memory_allocated()
                cases[key] = case
            elif command == "run":
                answer = cases[key].timed()
            elif command == "drop":
                # Functions with the same text count as one, of which few shapes are compiled.
                if cases.pop(key).is_compiled:
                    torch.compiler.reset()
                if CUDA:
                    torch.cuda.empty_cache()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
