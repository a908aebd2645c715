"""Networks of dynamic convolutions in every form that their authors write them, for export_networks.py.

Each class computes as the reference's code does, step by step and with its names, because exporters see what is computed.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


class ODAttention(nn.Module):
    """The attention of github OSVAI/ODConv. Attentions that it leaves out are the number 1.0."""

    def __init__(self, inside, outside, size, groups, kernels, temperature):
        super().__init__()
        hidden = max(int(inside * 0.0625), 16)
        self.size, self.kernels, self.temperature = size, kernels, temperature
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(inside, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.relu = nn.ReLU(inplace=True)
        self.channel_fc = nn.Conv2d(hidden, inside, 1)
        self.filter_fc = None if inside == groups == outside else nn.Conv2d(hidden, outside, 1)
        self.spatial_fc = nn.Conv2d(hidden, size * size, 1) if size > 1 else None
        self.kernel_fc = nn.Conv2d(hidden, kernels, 1) if kernels > 1 else None

    def forward(self, x):
        x = self.relu(self.bn(self.fc(self.avgpool(x))))
        n, t = x.size(0), self.temperature
        channel = torch.sigmoid(self.channel_fc(x).view(n, -1, 1, 1) / t)
        filters = 1.0 if self.filter_fc is None else torch.sigmoid(self.filter_fc(x).view(n, -1, 1, 1) / t)
        spatial, kernel = 1.0, 1.0
        if self.spatial_fc is not None:
            spatial = torch.sigmoid(self.spatial_fc(x).view(n, 1, 1, 1, self.size, self.size) / t)
        if self.kernel_fc is not None:
            kernel = F.softmax(self.kernel_fc(x).view(n, -1, 1, 1, 1, 1) / t, dim=1)
        return channel, filters, spatial, kernel


class ODConv2d(nn.Module):
    """Omni-dimensional dynamic convolution (Li et al., ICLR 2022)."""

    def __init__(self, inside, outside, size, stride=1, groups=1, kernels=4, temperature=1.0):
        super().__init__()
        self.inside, self.outside, self.size, self.groups, self.kernels = inside, outside, size, groups, kernels
        self.geometry = {"stride": stride, "padding": size // 2}
        self.attention = ODAttention(inside, outside, size, groups, kernels, temperature)
        self.weight = nn.Parameter(torch.randn(kernels, outside, inside // groups, size, size) * 0.3)

    def forward(self, x):
        channel, filters, spatial, kernel = self.attention(x)
        if self.size == 1 and self.kernels == 1:
            y = F.conv2d(x * channel, self.weight.squeeze(dim=0), groups=self.groups, **self.geometry)
            return y * filters
        n, _, h, w = x.size()
        x = (x * channel).reshape(1, -1, h, w)
        weight = spatial * kernel * self.weight.unsqueeze(dim=0)
        weight = torch.sum(weight, dim=1).view([-1, self.inside // self.groups, self.size, self.size])
        y = F.conv2d(x, weight, groups=self.groups * n, **self.geometry)
        return y.view(n, self.outside, y.size(-2), y.size(-1)) * filters


class ODConvs(nn.Module):
    """ODConv with and without each of its attentions."""

    size, other, dynamic = (1, 8, 9, 9), (1, 8, 6, 7), 1

    def __init__(self):
        super().__init__()
        self.depthwise = ODConv2d(8, 8, 3, stride=2, groups=8, temperature=2.0)
        self.single = ODConv2d(8, 6, 3, kernels=1)
        self.pointwise = ODConv2d(6, 8, 1)
        self.single_pointwise = ODConv2d(8, 4, 1, kernels=1, temperature=3.0)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        x = F.relu(self.bn(self.depthwise(x)))
        return self.single_pointwise(self.pointwise(self.single(x)))


class DyConv2d(nn.Module):
    """Dynamic convolution (Chen et al., CVPR 2020), as github kaijieshi7/Dynamic-convolution-Pytorch."""

    def __init__(self, inside, outside, size, groups=1, bias=True, kernels=4, temperature=34):
        super().__init__()
        hidden = kernels if inside == 3 else int(inside * 0.25) + 1
        self.inside, self.outside, self.size, self.groups, self.kernels = inside, outside, size, groups, kernels
        self.temperature = temperature
        self.fc1, self.fc2 = nn.Conv2d(inside, hidden, 1, bias=False), nn.Conv2d(hidden, kernels, 1)
        self.weight = nn.Parameter(torch.randn(kernels, outside, inside // groups, size, size) * 0.3)
        self.bias = nn.Parameter(torch.randn(kernels, outside)) if bias else None

    def forward(self, x):
        a = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))).view(x.size(0), -1)
        a = F.softmax(a / self.temperature, 1)
        n, c, h, w = x.size()
        x = x.view(1, -1, h, w)
        weight = torch.mm(a, self.weight.view(self.kernels, -1))
        weight = weight.view(n * self.outside, c // self.groups, self.size, self.size)
        bias = None if self.bias is None else torch.mm(a, self.bias).view(-1)
        y = F.conv2d(x, weight, bias, padding=self.size // 2, groups=self.groups * n)
        return y.view(n, self.outside, y.size(-2), y.size(-1))


class DyConvs(nn.Module):
    """DyConv on a picture, depthwise and pointwise, at temperatures 34, 1 and 4."""

    size, other, dynamic = (1, 3, 9, 8), (1, 3, 6, 7), 1

    def __init__(self):
        super().__init__()
        self.stem = DyConv2d(3, 8, 3)
        self.depthwise = DyConv2d(8, 8, 5, groups=8, bias=False, temperature=1)
        self.pointwise = DyConv2d(8, 5, 1, kernels=3, temperature=4)

    def forward(self, x):
        return self.pointwise(F.relu(self.depthwise(self.stem(x))))


def same_padding(x, size, stride):
    """TensorFlow's padding, as timm computes it."""
    if isinstance(x, torch.Tensor):
        return torch.clamp(((x / stride).ceil() - 1) * stride + size - x, min=0)
    return max((math.ceil(x / stride) - 1) * stride + size - x, 0)


class CondConv2d(nn.Module):
    """CondConv (Yang et al., NeurIPS 2019) as timm's CondConv2d."""

    def __init__(self, inside, outside, size, stride=1, groups=1, bias=False, experts=4):
        super().__init__()
        self.size, self.stride, self.groups = size, stride, groups
        self.shape = (outside, inside // groups, size, size)
        self.weight = nn.Parameter(torch.randn(experts, math.prod(self.shape)) * 0.3)
        self.bias = nn.Parameter(torch.randn(experts, outside)) if bias else None

    def forward(self, x, routing):
        n, c, h, w = x.shape
        weight = torch.matmul(routing, self.weight).view((n * self.shape[0], *self.shape[1:]))
        bias = None if self.bias is None else torch.matmul(routing, self.bias).view(n * self.shape[0])
        x = x.reshape(1, n * c, h, w)
        if self.stride == 1:
            y = F.conv2d(x, weight, bias, padding=self.size // 2, groups=self.groups * n)
        else:
            ih, iw = x.size()[-2:]
            down, right = same_padding(ih, self.size, self.stride), same_padding(iw, self.size, self.stride)
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
            y = F.conv2d(x, weight, bias, stride=self.stride, groups=self.groups * n)
        return y.permute([1, 0, 2, 3]).view(n, self.shape[0], y.shape[-2], y.shape[-1])


class CondConvResidual(nn.Module):
    """EfficientNet's blocks of timm: one routing serves the three convolutions of a block."""

    size, other, dynamic = (1, 6, 9, 8), (1, 6, 11, 7), 1

    def __init__(self, inside=6, hidden=10, outside=6):
        super().__init__()
        self.routing_fn, self.down_fn = nn.Linear(inside, 4), nn.Linear(outside, 3)
        self.conv_pw, self.bn1 = CondConv2d(inside, hidden, 1), nn.BatchNorm2d(hidden)
        self.conv_dw, self.bn2 = CondConv2d(hidden, hidden, 3, groups=hidden), nn.BatchNorm2d(hidden)
        self.conv_pwl, self.bn3 = CondConv2d(hidden, outside, 1), nn.BatchNorm2d(outside)
        self.down = CondConv2d(outside, 8, 5, stride=2, groups=2, bias=True, experts=3)

    def forward(self, x):
        routing = torch.sigmoid(self.routing_fn(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        y = F.silu(self.bn1(self.conv_pw(x, routing)))
        y = F.silu(self.bn2(self.conv_dw(y, routing)))
        x = self.bn3(self.conv_pwl(y, routing)) + x
        return self.down(x, torch.sigmoid(self.down_fn(F.adaptive_avg_pool2d(x, 1).flatten(1))))


class ComputedKernels(nn.Module):
    """Kernels that are computed in other ways: a hypernetwork, WeightNet, and StyleGAN2's modulation."""

    size, other, dynamic = (1, 4, 7, 8), (1, 4, 6, 5), 1

    def __init__(self, inside=4, outside=6):
        super().__init__()
        self.hyper = nn.Linear(inside, outside * inside * 9)
        self.reduce, self.wn_fc1 = nn.Conv2d(outside, 4, 1), nn.Conv2d(4, 2 * outside, 1)
        self.wn_fc2 = nn.Conv2d(2 * outside, outside * outside * 9, 1, groups=2 * outside, bias=False)
        self.affine = nn.Linear(outside, outside)
        self.weight = nn.Parameter(torch.randn(5, outside, 3, 3))

    def forward(self, x):
        n, c, h, w = x.shape
        weight = self.hyper(x.mean([2, 3])).view(-1, c, 3, 3)
        x = F.conv2d(x.reshape(1, n * c, h, w), weight, padding=1, groups=n).view(n, -1, h, w)

        weight = self.wn_fc2(torch.sigmoid(self.wn_fc1(self.reduce(x.mean(dim=(2, 3), keepdim=True)))))
        x = x.reshape(1, -1, h, w)
        x = F.conv2d(x, weight.reshape(-1, x.shape[1] // n, 3, 3), padding=1, groups=n).reshape(n, -1, h, w)

        styles = self.affine(x.mean([2, 3]))
        weight = self.weight.unsqueeze(0) * styles.reshape(n, 1, -1, 1, 1)
        weight = weight * (weight.square().sum(dim=[2, 3, 4]) + 1e-8).rsqrt().reshape(n, -1, 1, 1, 1)
        y = F.conv2d(x.reshape(1, -1, h, w), weight.reshape(-1, *weight.shape[2:]), padding=1, groups=n)
        return y.reshape(n, -1, h, w)


FAMILY = {
    "odconv-family": ODConvs, "dyconv-family": DyConvs, "condconv-residual": CondConvResidual,
    "computed-kernels": ComputedKernels,
}
