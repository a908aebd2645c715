"""Small networks in PyTorch, which export_fixtures.py writes as ONNX files.

Each class of NETWORKS is one network: `size` is its input's, `other` is one that a file with open sizes must take too,
and `dynamic` counts the dynamic convolutions.
The dynamic convolutions compute as their authors' code does, because exporters see what is computed, not what is meant.
"""
import torch
from torch import nn
from torch.nn import functional as F

from export_family import FAMILY


def block(inside, outside, size=3, **options):
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inside, outside, size, padding=size // 2, bias=False, **options),
                         nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def shuffle(x, groups):
    n, c, h, w = x.size()
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class KernelAttention(nn.Module):
    """sigmoid(W2 relu(bn(W1 mean(x))) + b2)"""

    def __init__(self, channels, kernels):
        super().__init__()
        hidden = channels // 4 if channels != 3 else kernels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, kernels, 1)

    def forward(self, x):
        y = torch.relu(self.bn(self.conv1(self.pool(x))))
        return torch.sigmoid(self.conv2(y).view(x.shape[0], -1))


class KernelAggregation(nn.Module):
    """A convolution whose kernels are mixed for each sample: the batch becomes groups of one image."""

    def __init__(self, inside, outside, size, stride=1, padding=0, dilation=1, groups=1, bias=True, kernels=4):
        super().__init__()
        self.inside, self.outside, self.size, self.groups = inside, outside, size, groups
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        self.weight = nn.Parameter(torch.randn(kernels, outside, inside // groups, size, size) * 0.3)
        self.bias = nn.Parameter(torch.randn(kernels, outside) * 0.3) if bias else None

    def forward(self, x, attention):
        n, _, h, w = x.size()
        images = x.contiguous().view(1, n * self.inside, h, w)
        mixed = torch.mm(attention, self.weight.view(self.weight.shape[0], -1))
        weight = mixed.contiguous().view(n * self.outside, self.inside // self.groups, self.size, self.size)
        bias = None if self.bias is None else torch.mm(attention, self.bias).view(-1)
        y = F.conv2d(images, weight, bias, groups=self.groups * n, **self.geometry)
        return y.view(n, self.outside, y.shape[-2], y.shape[-1])


class DynamicKernelAggregation(nn.Module):
    """The block of Dite-HRNet alone."""

    size, other, dynamic = (1, 8, 9, 7), (1, 8, 6, 5), 1

    def __init__(self, inside=8, outside=6, size=3, kernels=4, **options):
        super().__init__()
        self.attention = KernelAttention(inside, kernels)
        self.aggregation = KernelAggregation(inside, outside, size, kernels=kernels, padding=size // 2, **options)

    def forward(self, x):
        return self.aggregation(x, self.attention(x))


class DynamicNetwork(nn.Module):
    """Blocks of Dite-HRNet between plain layers: a stem of halves, a shuffle, a second resolution."""

    size, other, dynamic = (1, 3, 16, 16), (1, 3, 12, 8), 4

    def __init__(self):
        super().__init__()
        make = DynamicKernelAggregation
        self.stem = nn.Sequential(make(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.depthwise = nn.Sequential(make(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4))
        self.pointwise = nn.Sequential(make(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.down = nn.Sequential(make(8, 8, 5, stride=2, groups=8, kernels=2, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        first, second = x.chunk(2, dim=1)
        x = shuffle(torch.cat((self.depthwise(first), self.pointwise(second)), dim=1), 2)
        small = self.down(x)
        return self.head(torch.relu(x + F.interpolate(small, size=x.size()[2:], mode="nearest")))


class DyConv(nn.Module):
    """Dynamic convolution (Chen et al.): softmax with a temperature over the kernels."""

    size, other, dynamic = (1, 8, 8, 8), (1, 8, 6, 7), 1

    def __init__(self, channels=8, outside=4, kernels=4, temperature=34):
        super().__init__()
        self.temperature = temperature
        self.fc1 = nn.Conv2d(channels, channels // 4 + 1, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 4 + 1, kernels, 1)
        self.aggregation = KernelAggregation(channels, outside, 3, padding=1, kernels=kernels)

    def forward(self, x):
        z = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))).view(x.size(0), -1)
        return self.aggregation(x, F.softmax(z / self.temperature, 1))


class CondConv(nn.Module):
    """CondConv (Yang et al.) as timm computes it: the weight is stored flat, the routing is a Linear outside."""

    size, other, dynamic = (1, 8, 8, 8), (1, 8, 7, 5), 1

    def __init__(self, inside=8, outside=6, size=3, groups=2, kernels=4):
        super().__init__()
        self.shape, self.groups = (outside, inside // groups, size, size), groups
        self.routing = nn.Linear(inside, kernels)
        self.weight = nn.Parameter(torch.randn(kernels, outside * (inside // groups) * size * size) * 0.2)
        self.bias = nn.Parameter(torch.randn(kernels, outside))

    def forward(self, x):
        routing = torch.sigmoid(self.routing(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        n, c, h, w = x.shape
        outside, *rest = self.shape
        weight = torch.matmul(routing, self.weight).view((n * outside, *rest))
        bias = torch.matmul(routing, self.bias).view(n * outside)
        y = F.conv2d(x.reshape(1, n * c, h, w), weight, bias, padding=1, groups=self.groups * n)
        return y.permute([1, 0, 2, 3]).view(n, outside, y.shape[-2], y.shape[-1])


class ODConv(nn.Module):
    """Omni-dimensional dynamic convolution (Li et al.): attentions over channels, filters, taps and kernels."""

    size, other, dynamic = (1, 8, 8, 8), (1, 8, 5, 6), 1

    def __init__(self, channels=8, outside=6, size=3, kernels=4, hidden=16):
        super().__init__()
        self.channels, self.outside, self.taps = channels, outside, size
        self.fc, self.bn = nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden)
        self.channel, self.filter = nn.Conv2d(hidden, channels, 1), nn.Conv2d(hidden, outside, 1)
        self.spatial, self.kernel = nn.Conv2d(hidden, size * size, 1), nn.Conv2d(hidden, kernels, 1)
        self.weight = nn.Parameter(torch.randn(kernels, outside, channels, size, size) * 0.2)
        self.temperature = 1.0

    def forward(self, x):
        z = F.relu(self.bn(self.fc(F.adaptive_avg_pool2d(x, 1))))
        n, t = z.size(0), self.temperature
        channel = torch.sigmoid(self.channel(z).view(n, -1, 1, 1) / t)
        filters = torch.sigmoid(self.filter(z).view(n, -1, 1, 1) / t)
        spatial = torch.sigmoid(self.spatial(z).view(n, 1, 1, 1, self.taps, self.taps) / t)
        kernel = F.softmax(self.kernel(z).view(n, -1, 1, 1, 1, 1) / t, dim=1)
        batch, _, height, width = x.size()
        x = (x * channel).reshape(1, -1, height, width)
        weight = torch.sum(spatial * kernel * self.weight.unsqueeze(dim=0), dim=1)
        y = F.conv2d(x, weight.view([-1, self.channels, self.taps, self.taps]), padding=1, groups=batch)
        return y.view(batch, self.outside, y.size(-2), y.size(-1)) * filters


class MobileBlock(nn.Module):
    """MobileNetV3: expansion, depthwise, squeeze and excitation, hard swish, a residual."""

    size, other, dynamic = (1, 4, 16, 16), (2, 4, 10, 12), 0

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False), nn.BatchNorm2d(8))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1),
                                     nn.Hardsigmoid())
        self.project = nn.Sequential(nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.last = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.SiLU(), nn.ReLU6())

    def forward(self, x):
        y = self.depthwise(self.expand(x))
        y = x + self.project(F.hardswish(y * self.squeeze(y)))
        return self.last(y * F.relu6(y + 3) / 6)


class ResidualBlock(nn.Module):
    """ResNet: a basic block with a strided shortcut, max pooling and a classifier."""

    size, other, dynamic = (1, 3, 16, 16), (2, 3, 20, 14), 0

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(block(3, 4, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.body = nn.Sequential(block(4, 8, stride=2), nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.shortcut = nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(self.body(x) + self.shortcut(x))
        x = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return F.log_softmax(x, dim=1)


class ShuffleUnit(nn.Module):
    """ShuffleNetV2: chunk, a branch, concat, shuffle; then a unit of stride 2 and a softmax over classes."""

    size, other, dynamic = (1, 8, 12, 12), (2, 8, 8, 10), 0

    def __init__(self):
        super().__init__()
        def depthwise(channels, stride):
            return nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
                                 nn.BatchNorm2d(channels))
        self.branch = nn.Sequential(block(4, 4, 1), depthwise(4, 1), block(4, 4, 1))
        self.left = nn.Sequential(depthwise(8, 2), block(8, 8, 1))
        self.right = nn.Sequential(block(8, 8, 1), depthwise(8, 2), block(8, 8, 1))
        self.fc = nn.Linear(16, 6)

    def forward(self, x):
        first, second = x.chunk(2, dim=1)
        x = shuffle(torch.cat((first, self.branch(second)), dim=1), 2)
        x = shuffle(torch.cat((self.left(x), self.right(x)), dim=1), 2)
        return F.softmax(self.fc(x.mean([2, 3])), dim=-1)


class Transformer(nn.Module):
    """A vision transformer: patches, a class token, layer norm, attention of two heads, GELU."""

    size, other, dynamic = (1, 3, 16, 16), (2, 3, 16, 16), 0

    def __init__(self, width=8, heads=2, places=17):
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.token, self.position = (nn.Parameter(torch.randn(1, length, width) * 0.3) for length in (1, places))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        n = x.shape[0]
        x = torch.cat((self.token.expand(n, -1, -1), x), dim=1) + self.position
        length, width = x.shape[1:]
        q, k, v = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        a = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        x = x + self.projection((a @ v).transpose(1, 2).reshape(n, length, width))
        x = x + self.mlp(self.norm2(x))
        return self.head(x[:, 0])


class FusedAttention(nn.Module):
    """torch.nn's own attention and encoder, the tanh form of GELU, RMS norm."""

    size, other, dynamic = (1, 6, 8), (2, 9, 8), 0

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8, elementwise_affine=False)
        self.linear, self.scale = nn.Linear(8, 8), nn.Parameter(torch.rand(8) + 0.5)

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        q = self.linear(x).view(x.shape[0], -1, 2, 4).transpose(1, 2)
        x = x + F.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        return F.gelu(x, approximate="tanh")


class UNet(nn.Module):
    """Down and up again: ceil_mode, a transposed convolution, both bilinear kinds, nearest, concat, reflected edges."""

    size, other, dynamic = (1, 2, 15, 13), (2, 2, 9, 11), 0

    def __init__(self):
        super().__init__()
        self.first, self.second = block(2, 4), block(4, 4)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.last = nn.Conv2d(16, 2, 3)

    def forward(self, x):
        large = self.first(x)
        small = self.second(F.max_pool2d(large, 2, stride=2, ceil_mode=True))
        size = large.shape[2:]
        up = self.up(small)[:, :, :size[0], :size[1]]
        corners = F.interpolate(small, size=size, mode="bilinear", align_corners=True)
        centres = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
        nearest = F.interpolate(F.avg_pool2d(small, 2, ceil_mode=True), size=size, mode="nearest")
        x = torch.cat((up + large, corners, centres, nearest), dim=1)
        return torch.sigmoid(self.last(F.pad(x, (1, 1, 1, 1), mode="reflect")))


class SuperResolution(nn.Module):
    """PReLU, pixel shuffle and its inverse, leaky ReLU, a doubled skip, clamping."""

    size, other, dynamic = (1, 1, 8, 8), (2, 1, 6, 10), 0

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(1, 4, 3), nn.PReLU(4))
        self.second = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 16, 3, padding=1), nn.LeakyReLU(0.1),
                                    nn.PixelShuffle(2))
        self.last = nn.Sequential(nn.Conv2d(4, 4, (3, 1), padding="same"), nn.PReLU(), nn.PixelShuffle(2))

    def forward(self, x):
        y = self.first(x)
        y = self.last(y + self.second(y))
        return (y + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)).clamp(-1.5, 1.5)


class Norms(nn.Module):
    """Norms that exporters decompose: instance, group, layer over channels, local response, a power of the mean."""

    size, other, dynamic = (1, 4, 8, 8), (2, 4, 6, 5), 0

    def __init__(self):
        super().__init__()
        self.instance, self.group = nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4)
        self.layer, self.response = nn.LayerNorm(4), nn.LocalResponseNorm(3)
        self.mix = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = F.mish(self.mix(self.group(self.instance(x))))
        x = x + self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.response(F.elu(x) + F.softplus(x) + torch.tanh(x))
        mean = x.clamp(min=1e-3).pow(3).mean(dim=(2, 3), keepdim=True).pow(1 / 3)
        variance, average = torch.var_mean(x, dim=1, keepdim=True, unbiased=False)
        return (x - average) / (variance + 1e-5).sqrt() * mean / F.normalize(mean, dim=1)


class Indexing(nn.Module):
    """Splits, indices, flips, rolls, stacks, masks, several outputs."""

    size, other, dynamic = (1, 6, 8, 8), (2, 6, 4, 6), 0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.register_buffer("mask", (torch.arange(6) % 2).bool().view(1, 6, 1, 1))

    def forward(self, x):
        first, second, third = torch.split(self.conv(x), [1, 2, 3], dim=1)
        second = second[:, [1, 0]] * x[:, -1:].flip(3)
        third = third.unbind(1)
        stacked = torch.stack((third[0], third[2], torch.roll(third[1], 1, dims=2)), dim=1)
        y = torch.cat((first, second, stacked[..., ::2, :].repeat_interleave(2, dim=2)), dim=1)
        y = torch.where(self.mask, y, x.masked_fill(self.mask, 0.5))
        return y[:, 1::2, 1:-1, 1:], torch.amax(y, dim=(2, 3)), y.narrow(1, 2, 2).sum(dim=1).unsqueeze(1)


class Blurred(nn.Module):
    """Convolutions of other ranks and forms: along one axis, dilated, grouped and transposed, pooled to a grid."""

    size, other, dynamic = (1, 4, 12, 12), (2, 4, 12, 12), 0

    def __init__(self):
        super().__init__()
        self.rows = nn.Conv2d(4, 4, (1, 5), padding=(0, 2), groups=4)
        self.dilated = nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2)
        self.grown = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.line = nn.Conv1d(4, 3, 3, padding=1)
        self.register_buffer("blur", torch.tensor([1.0, 2, 1]).outer(torch.tensor([1.0, 2, 1])).div(16)
                             .expand(4, 1, 3, 3).contiguous())

    def forward(self, x):
        grid = F.adaptive_avg_pool2d(x, (4, 1)) + F.adaptive_max_pool2d(x, 4)
        x = F.conv2d(F.pad(self.rows(x), (0, 1, 1, 0)), self.blur, groups=4)
        x = self.grown(torch.tanh(self.dilated(x)))
        return self.line((x[:, :, ::6, ::6] + grid).flatten(2)).reshape(x.shape[0], -1)


NETWORKS = {
    "block": DynamicKernelAggregation, "dynamic-network": DynamicNetwork, "dyconv": DyConv, "condconv": CondConv,
    "odconv": ODConv, "mobile": MobileBlock, "residual": ResidualBlock, "shuffle": ShuffleUnit,
    "transformer": Transformer, "fused-attention": FusedAttention, "unet": UNet, "super-resolution": SuperResolution,
    "norms": Norms, "indexing": Indexing, "blurred": Blurred, **FAMILY,
}
