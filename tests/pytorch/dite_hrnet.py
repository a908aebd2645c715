"""Writes tests/fixtures/dite-hrnet/: what PyTorch makes of a Dite-HRNet-18 whose weights follow from their names.

usage: python3 dite_hrnet.py FOLDER

This is a second implementation, written from the paper and the authors' formulas, with functions of PyTorch. The file
dite18_64x96.safetensors holds the heat maps of two images, and the scale of each batch norm's variance, in the order of
their sorted names. names.json holds, for each depth, how many arrays and parameters a state dict has, and a hash of all
names with their shapes. tests/network/dite-hrnet/support.mjs makes the same weights and images.
"""
import hashlib, json, math, os, struct, sys
import numpy as np
import torch
import torch.nn.functional as F

CHANNELS = [40, 80, 160, 320]
MODULES = {18: [2, 4, 2], 30: [3, 8, 3]}
SPLITS, KERNELS, REDUCTIONS = [1, 1, 2, 4], [4, 4, 2, 1], [4, 4, 8, 8]


def numbers(name, count):
    """Numbers between -1 and 1 that follow from a name: its FNV-1a hash and an index, mixed by MurmurHash3's finaliser."""
    seed = 0x811C9DC5
    for letter in name.encode():
        seed = (seed ^ letter) * 0x01000193 & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
        h ^= h >> np.uint32(16)
    return torch.from_numpy((h.astype(np.float64) + 0.5) / 2 ** 31 - 1)


class Net:
    def __init__(self, depth, joints=17):
        self.depth, self.joints = depth, joints
        self.state, self.scales = {}, {}

    def parameter(self, name, *shape):
        assert name not in self.state, name
        u = numbers(name, math.prod(shape)).reshape(shape)
        # kernels keep the scale of what they see; the others are not trivial
        if name.endswith("aggregation.weight"):
            u = u * math.sqrt(3 / math.prod(shape[2:]))
        elif len(shape) == 4:
            u = u * math.sqrt(3 / math.prod(shape[1:]))
        else:
            u = u * 0.3
        self.state[name] = u.float()
        return self.state[name]

    # --- building blocks

    def conv(self, x, name, out, size, stride=1, groups=1, bias=False):
        weight = self.parameter(f"{name}.weight", out, x.shape[1] // groups, size, size)
        return F.conv2d(x, weight, self.parameter(f"{name}.bias", out) if bias else None, stride, size // 2, 1, groups)

    def norm(self, x, name):
        c = x.shape[1]
        scale = float(f"{float((x.double() ** 2).mean()):.3g}")
        self.scales[name] = scale
        u = lambda what: numbers(f"{name}.{what}", c).float()
        mean, var = 0.3 * math.sqrt(scale) * u("running_mean"), scale * (1 + 0.5 * u("running_var"))
        weight, bias = 1 + 0.3 * u("weight"), 0.3 * u("bias")
        for what, value in (("weight", weight), ("bias", bias), ("running_mean", mean), ("running_var", var)):
            self.state[f"{name}.{what}"] = value
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(0)
        return F.batch_norm(x, mean, var, weight, bias)

    def dynamic(self, x, name, out, size, stride, groups, kernels):
        n, c = x.shape[:2]
        mid = kernels if c == 3 else c // 4
        z = self.conv(x.mean((2, 3), keepdim=True), f"{name}.attention.conv1", mid, 1)
        z = self.conv(F.relu(self.norm(z, f"{name}.attention.bn")), f"{name}.attention.conv2", kernels, 1, bias=True)
        a = torch.sigmoid(z).reshape(n, kernels)
        bank = self.parameter(f"{name}.aggregation.weight", kernels, out, c // groups, size, size)
        return torch.cat([F.conv2d(x[i:i + 1], (a[i].reshape(-1, 1, 1, 1, 1) * bank).sum(0), None, stride, size // 2, 1, groups)
                          for i in range(n)])

    def conv_bn(self, x, name, out, size, stride=1, groups=1, kernels=1):
        y = (self.conv(x, f"{name}.conv", out, size, stride, groups) if kernels == 1
             else self.dynamic(x, f"{name}.conv", out, size, stride, groups, kernels))
        return self.norm(y, f"{name}.bn")

    def separable(self, x, name, out, stride):
        c = x.shape[1]
        x = self.norm(self.conv(x, f"{name}.0", c, 3, stride, c), f"{name}.1")
        return self.norm(self.conv(x, f"{name}.2", out, 1), f"{name}.3")

    def gate(self, z, name, hidden):
        s = F.relu(self.norm(self.conv(z, f"{name}.0", hidden, 1), f"{name}.1"))
        return torch.sigmoid(self.conv(s, f"{name}.3", z.shape[1], 1, bias=True))

    # --- the paper's blocks

    def gcm(self, x, name, reduction):
        n, c, h, w = x.shape
        m = torch.softmax(self.conv(x, f"{name}.conv_mask", 1, 1, bias=True).reshape(n, 1, -1), 2)
        z = (x.reshape(n, c, -1) * m).sum(2).reshape(n, c, 1, 1)
        return self.norm(x * self.gate(z, f"{name}.channel_attention", c // reduction), f"{name}.bn")

    def dcm(self, q, name):
        n, last, positions = q[0].shape[0], len(q) - 1, q[-1].shape[2] * q[-1].shape[3]
        pooled = []
        for i, x in enumerate(q[:-1]):
            c = x.shape[1]
            m = torch.softmax(self.conv(x, f"{name}.conv_mask.{i}", 1, 1, bias=True).reshape(n, -1), 1).numpy()
            s = m.shape[1] // positions
            flat = x.reshape(n, -1).numpy()  # memory, as the authors' view() reads it
            out = np.zeros((n, c, positions), np.float64)
            for p in range(positions):
                for k in range(c):
                    at = (p * c + k) * s
                    out[:, k, p] = (flat[:, at:at + s] * m[:, p * s:(p + 1) * s]).sum(1)
            pooled.append(torch.from_numpy(out).float().reshape(n, c, *q[-1].shape[2:]))
        self.parameter(f"{name}.conv_mask.{last}.weight", 1, q[-1].shape[1], 1, 1)  # never used
        self.parameter(f"{name}.conv_mask.{last}.bias", 1)
        z = torch.cat([*pooled, q[-1]], 1)
        parts = torch.split(self.gate(z, f"{name}.channel_attention", z.shape[1] // 8), [x.shape[1] for x in q], 1)
        return [x * F.interpolate(t, size=x.shape[2:]) for x, t in zip(q, parts)]

    def dmc(self, xs, name):
        halves = [x.chunk(2, 1) for x in xs]
        q = self.dcm([b.contiguous() for _, b in halves], f"{name}.dcm")
        out = []
        for i, x in enumerate(q):
            c, count = x.shape[1], SPLITS[i]
            sizes = [c - c // count * (count - 1)] + [c // count] * (count - 1)
            parts = [self.conv_bn(p, f"{name}.conv.{i}.conv.{g}", p.shape[1], 2 * g + 3, 1, p.shape[1], KERNELS[i])
                     for g, p in enumerate(torch.split(x, sizes, 1))]
            y = F.channel_shuffle(torch.cat(parts, 1), count) if count > 1 else parts[0]
            y = self.gcm(y, f"{name}.gcm.{i}", REDUCTIONS[i])
            out.append(F.channel_shuffle(torch.cat([halves[i][0], y], 1), 2))
        return out

    def exchange(self, x, j, i, name):
        name = f"{name}.{i}.{j}"
        if j > i:
            y = self.norm(self.conv(x, f"{name}.0", CHANNELS[i], 1), f"{name}.1")
            return F.interpolate(y, scale_factor=2 ** (j - i))
        for k in range(i - j):
            x = self.separable(x, f"{name}.{k}", CHANNELS[i if k == i - j - 1 else j], 2)
            x = x if k == i - j - 1 else F.relu(x)
        return x

    def fuse(self, xs, name):
        ys = [F.relu(2 * xs[0] + sum(self.exchange(x, j + 1, 0, name) for j, x in enumerate(xs[1:])))]
        for i in range(1, len(xs)):
            y = 2 * self.exchange(ys[0], 0, i, name) + xs[i]
            ys.append(F.relu(y + sum(self.exchange(x, j + 1, i, name) for j, x in enumerate(xs[1:]) if j + 1 != i)))
        return ys

    def __call__(self, x):
        s = "backbone.stem"
        a, b = F.relu(self.conv_bn(x, f"{s}.conv1", 32, 3, 2)).chunk(2, 1)
        a = self.gcm(self.conv_bn(a, f"{s}.branch1.0", 16, 3, 2, 16, 4), f"{s}.branch1.1", 4)
        a = F.relu(self.conv_bn(a, f"{s}.branch1.2", 16, 1, kernels=4))
        b = self.gcm(self.conv_bn(b, f"{s}.branch2.0", 16, 3, 1, 16, 4), f"{s}.branch2.1", 4)
        b = F.relu(self.conv_bn(b, f"{s}.branch2.2", 4, 1, kernels=4))
        b = self.conv_bn(b, f"{s}.branch2.3", 16, 1, kernels=4)
        b = F.relu(self.conv_bn(b, f"{s}.branch2.4", 16, 3, 2, 16, 4))
        xs = [F.channel_shuffle(torch.cat([a, b], 1), 2)]
        for t, count in enumerate(MODULES[self.depth]):
            last = xs[-1]
            if t == 0:
                xs = [F.relu(self.separable(last, "backbone.transition0.0", 40, 1))]
            xs = xs + [F.relu(self.separable(last, f"backbone.transition{t}.{t + 1}.0", CHANNELS[t + 1], 2))]
            for m in range(count):
                for block in range(2):
                    xs = self.dmc(xs, f"backbone.stage{t}.{m}.layers.{block}")
                xs = self.fuse(xs, f"backbone.stage{t}.{m}.fuse_layers")
        outs, y = [160, 80, 40, 40], None
        for i, x in enumerate(reversed(xs)):
            x = x if y is None else x + F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)
            name = f"backbone.head_layer.projects.{i}"
            x = self.conv_bn(x, f"{name}.depthwise_conv", x.shape[1], 3, 1, x.shape[1])
            y = F.relu(self.conv_bn(x, f"{name}.pointwise_conv", outs[i], 1))
        return self.conv(y, "keypoint_head.final_layer", self.joints, 1, bias=True)


def save_safetensors(path, arrays):
    header, blobs, offset = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + len(data)]}
        blobs.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main(folder):
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    names = {}
    with torch.no_grad():
        for depth in (18, 30):
            net = Net(depth)
            x = 1.5 * numbers("image", 2 * 3 * 64 * 96).float().reshape(2, 3, 64, 96)
            y = net(x)
            trained = [v for k, v in net.state.items() if not k.rsplit(".", 1)[1] in ("running_mean", "running_var", "num_batches_tracked")]
            lines = sorted(f"{name} {list(value.shape)}" for name, value in net.state.items())
            names[depth] = {"arrays": len(lines), "parameters": sum(v.numel() for v in trained),
                            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}
            if depth == 18:
                scales = np.array([net.scales[name] for name in sorted(net.scales)])
                save_safetensors(f"{folder}/dite18_64x96.safetensors", {"heatmaps": y.numpy(), "scales": scales})
                print("heat maps: std", float(y.std()), "max", float(y.abs().max()))
    with open(f"{folder}/names.json", "w") as file:
        json.dump(names, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
