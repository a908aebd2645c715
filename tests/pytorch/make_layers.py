"""Writes tests/fixtures/layers.safetensors: what PyTorch makes of each layer that a network in JavaScript may have.

usage: python3 make_layers.py FILE

For each case the file holds CASE.output (and CASE.output1, ...), CASE.input (and CASE.input1) unless the input is x, and
the state dict as CASE.state.NAME. tests/network/layers.test.mjs lists the same cases.
"""
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from dite_hrnet import save_safetensors

torch.manual_seed(11)
x = torch.randn(2, 4, 5, 6)
arrays = {"x": x.numpy()}


def case(name, run, *inputs, state=None):
    with torch.no_grad():
        outputs = run(*inputs)
    for i, value in enumerate(inputs):
        if value is not x:
            arrays[f"{name}.input{i or ''}"] = value.numpy()
    for i, y in enumerate(outputs if isinstance(outputs, (tuple, list)) else [outputs]):
        arrays[f"{name}.output{i or ''}"] = y.numpy()
    for key, value in (state or {}).items():
        if not key.endswith("num_batches_tracked"):
            arrays[f"{name}.state.{key}"] = value.numpy()


def module(name, layer, *inputs):
    for norm in (m for m in layer.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_(0, 0.3), norm.running_var.uniform_(0.4, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5), nn.init.normal_(norm.bias)
    layer.eval()
    case(name, layer, *inputs, state=layer.state_dict())


class DyConv(nn.Module):
    """Chen et al. 2020, with the names of github kaijieshi7/Dynamic-convolution-Pytorch."""
    def __init__(self, c, o, size, stride, padding, k, ratio, temperature):
        super().__init__()
        hidden = k if c == 3 else int(c * ratio) + 1
        self.attention = nn.Module()
        self.attention.fc1, self.attention.fc2 = nn.Conv2d(c, hidden, 1, bias=False), nn.Conv2d(hidden, k, 1)
        self.weight, self.bias = nn.Parameter(torch.randn(k, o, c, size, size) / size), nn.Parameter(torch.randn(k, o))
        self.stride, self.padding, self.temperature = stride, padding, temperature

    def forward(self, x):
        z = self.attention.fc2(F.relu(self.attention.fc1(x.mean((2, 3), keepdim=True)))).flatten(1)
        a = torch.softmax(z / self.temperature, 1)
        return mixed(x, a, self.weight, self.bias, self.stride, self.padding)


class CondConv(nn.Module):
    """Yang et al. 2019, with the storage of timm."""
    def __init__(self, c, o, size, experts):
        super().__init__()
        self.shape = (experts, o, c, size, size)
        self.routing = nn.Linear(c, experts)
        self.conv = nn.Module()
        self.conv.weight = nn.Parameter(torch.randn(experts, o * c * size * size) / size)
        self.conv.bias = nn.Parameter(torch.randn(experts, o))

    def forward(self, x):
        a = torch.sigmoid(self.routing(x.mean((2, 3))))
        return mixed(x, a, self.conv.weight.reshape(self.shape), self.conv.bias, 1, "same")


class ODConv(nn.Module):
    """Li et al. 2022, with the names of github OSVAI/ODConv."""
    def __init__(self, c, o, size, groups, k, temperature):
        super().__init__()
        hidden = max(int(c * 0.0625), 16)
        self.attention = a = nn.Module()
        a.fc, a.bn = nn.Conv2d(c, hidden, 1, bias=False), nn.BatchNorm2d(hidden)
        a.channel_fc = nn.Conv2d(hidden, c, 1)
        parts = {"filter_fc": (not (c == groups and c == o), o), "spatial_fc": (size > 1, size * size), "kernel_fc": (k > 1, k)}
        for name, (has, length) in parts.items():
            if has:
                setattr(a, name, nn.Conv2d(hidden, length, 1))
        self.weight = nn.Parameter(torch.randn(k, o, c // groups, size, size) / size)
        self.groups, self.temperature = groups, temperature

    def forward(self, x):
        n, a, t = x.shape[0], self.attention, self.temperature
        z = F.relu(a.bn(a.fc(x.mean((2, 3), keepdim=True))))
        gate = lambda name: torch.sigmoid(getattr(a, name)(z) / t) if hasattr(a, name) else torch.ones(n, 1, 1, 1)
        k = torch.softmax(a.kernel_fc(z) / t, 1) if hasattr(a, "kernel_fc") else torch.ones(n, 1, 1, 1)
        x = x * gate("channel_fc")
        size = self.weight.shape[-1]
        spatial = gate("spatial_fc")
        out = []
        for i in range(n):
            taps = spatial[i].reshape(1, 1, 1, size, size) if spatial[i].numel() > 1 else 1
            weight = (k[i].reshape(-1, 1, 1, 1, 1) * self.weight * taps).sum(0)
            out.append(F.conv2d(x[i:i + 1], weight, None, 1, size // 2, 1, self.groups))
        return torch.cat(out) * gate("filter_fc")


def mixed(x, a, weight, bias, stride, padding):
    out = []
    for i in range(x.shape[0]):
        w = (a[i].reshape(-1, 1, 1, 1, 1) * weight).sum(0)
        out.append(F.conv2d(x[i:i + 1], w, a[i] @ bias, stride, padding))
    return torch.cat(out)


class Attention(nn.Module):
    """The attention branch of Dite-HRNet's block."""
    def __init__(self, c, k, mid):
        super().__init__()
        self.conv1, self.bn, self.conv2 = nn.Conv2d(c, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.Conv2d(mid, k, 1)

    def forward(self, x):
        return torch.sigmoid(self.conv2(F.relu(self.bn(self.conv1(x.mean((2, 3), keepdim=True)))))).flatten(1)


class Block(nn.Module):
    def __init__(self, c, o, size, stride, padding, dilation, groups, k, mid):
        super().__init__()
        self.attention, self.aggregation = Attention(c, k, mid), nn.Module()
        self.aggregation.weight = nn.Parameter(torch.randn(k, o, c // groups, *size))
        self.aggregation.bias = nn.Parameter(torch.randn(k, o))
        self.options = (stride, padding, dilation, groups)

    def forward(self, x):
        a, out = self.attention(x), []
        for i in range(x.shape[0]):
            weight = (a[i].reshape(-1, 1, 1, 1, 1) * self.aggregation.weight).sum(0)
            out.append(F.conv2d(x[i:i + 1], weight, a[i] @ self.aggregation.bias, *self.options))
        return torch.cat(out)


def main(path):
    module("conv2d", nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2), x)
    module("conv2d four sides", nn.Sequential(nn.ZeroPad2d((2, 0, 1, 3)), nn.Conv2d(4, 3, 3, bias=False)), x)
    module("conv2d same", nn.Conv2d(4, 3, (3, 4), padding="same", dilation=(1, 2)), x)
    module("convTranspose2d", nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, dilation=(2, 1)), x)
    module("linear", nn.Linear(6, 5), x)
    module("batchNorm2d", nn.BatchNorm2d(4, eps=0.01), x)
    module("prelu", nn.PReLU(4, 0.1), x)
    case("localResponseNorm odd", lambda x: F.local_response_norm(x, 3, 0.5, 0.6, 1.5), x)
    case("localResponseNorm even", lambda x: F.local_response_norm(x, 2, 0.5, 0.6, 1.5), x)
    for name, run in {
        "relu": F.relu, "relu6": lambda x: F.relu6(x * 9), "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.7),
        "clamp": lambda x: x.clamp(min=0.1), "leakyReLU": lambda x: F.leaky_relu(x, 0.2), "elu": lambda x: F.elu(x, 1.3),
        "hardsigmoid": lambda x: F.hardsigmoid(x * 3), "hardswish": lambda x: F.hardswish(x * 3), "sigmoid": torch.sigmoid,
        "tanh": torch.tanh, "silu": F.silu, "gelu": F.gelu, "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
        "exp": torch.exp, "neg": torch.neg, "abs": torch.abs, "reciprocal": torch.reciprocal, "erf": torch.erf,
        "softmax": lambda x: F.softmax(x, -2), "mean": lambda x: x.mean((3, 2)), "sum": lambda x: x.sum(1, keepdim=True),
        "amax": lambda x: x.amax((0, -1)), "mean of all": lambda x: x.mean(),
        "avgPool2d": lambda x: F.avg_pool2d(x, (3, 2), (2, 2), (1, 1), ceil_mode=True),
        "avgPool2d without padding": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        "maxPool2d": lambda x: F.max_pool2d(x, (2, 3), (2, 1), (1, 1), (2, 1), ceil_mode=True),
        "adaptiveAvgPool2d": lambda x: F.adaptive_avg_pool2d(x, 1),
        "adaptiveAvgPool2d of parts": lambda x: F.adaptive_avg_pool2d(x, (5, 3)),
        "adaptiveMaxPool2d": lambda x: F.adaptive_max_pool2d(x, (1, 2)),
        "split": lambda x: torch.split(x, 3, -1 + 3), "split sizes": lambda x: torch.split(x, [1, 3], 1),
        "chunk": lambda x: torch.chunk(x, 4, 3), "slice": lambda x: x[:, :, 1:-1:2], "permute": lambda x: x.permute(0, 2, 3, 1),
        "reshape": lambda x: x.reshape(2, -1, 3), "flatten": lambda x: torch.flatten(x, 1), "flatten some": lambda x: x.flatten(1, 2),
        "channelShuffle": lambda x: F.channel_shuffle(x, 2), "pad": lambda x: F.pad(x, (1, -1, 0, 2), value=0.5),
        "pad reflect": lambda x: F.pad(x, (2, 1, 3, 0), "reflect"), "pad replicate": lambda x: F.pad(x, (2, 1, 3, 0), "replicate"),
        "interpolate": lambda x: F.interpolate(x, scale_factor=(2, 3)), "interpolate size": lambda x: F.interpolate(x, size=(7, 4)),
        "interpolate exact": lambda x: F.interpolate(x, size=(7, 4), mode="nearest-exact"),
        "interpolate bilinear": lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
        "interpolate corners": lambda x: F.interpolate(x, size=(9, 4), mode="bilinear", align_corners=True),
        "pixelShuffle": lambda x: F.pixel_shuffle(x, 2),
        "numbers": lambda x: 3 - torch.minimum(torch.maximum(x * 2 + 1, torch.tensor(0.5)), torch.tensor(2.)) / 4,
    }.items():
        case(name, run, x)
    positive = torch.rand(2, 4, 5, 6) + 0.1
    for name, run in {"log": torch.log, "sqrt": torch.sqrt, "pow": lambda x: x ** 1.7, "pow of a number": lambda x: 2 ** x}.items():
        case(name, run, positive)
    for name, run in {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "minimum": torch.minimum, "maximum": torch.maximum,
    }.items():
        case(name, run, x, torch.randn(4, 1, 6))
    case("pow of a tensor", torch.pow, positive, torch.randn(6))
    case("matmul", torch.matmul, x, torch.randn(4, 6, 3))
    case("cat", lambda a, b: torch.cat([a, b], 1), x, torch.randn(2, 1, 5, 6))
    weight = torch.randn(2, 6, 2, 3, 3)
    case("dynamicConvolution", lambda x, w: torch.cat([F.conv2d(x[i:i + 1], w[i], None, 1, 1, 1, 2) for i in range(2)]), x, weight)
    case("dynamicConvolution bias", lambda w, b: torch.cat([F.conv2d(x[i:i + 1], w[i], b[i], 1, 1, 1, 2) for i in range(2)]),
         weight, torch.randn(2, 6))
    module("kernelAttention", Attention(4, 3, 2), x)
    module("dynamicKernelAggregation", Block(4, 6, (3, 2), (1, 2), (1, 0), (2, 1), 2, 3, 2), x)
    rgb = torch.randn(1, 3, 6, 7)
    module("dyConv2d", DyConv(4, 5, 3, 2, 1, 3, 0.5, 3), x)
    module("dyConv2d rgb", DyConv(3, 5, 3, 1, 1, 4, 0.25, 34), rgb)
    module("condConv2d", CondConv(4, 5, 3, 3), x)
    module("odConv2d", ODConv(4, 6, 3, 2, 3, 2), x)
    module("odConv2d one kernel", ODConv(4, 4, 1, 1, 1, 1), x)
    module("odConv2d depthwise", ODConv(4, 4, 3, 4, 2, 1), x)
    save_safetensors(path, arrays)


if __name__ == "__main__":
    main(sys.argv[1])
