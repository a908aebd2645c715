"""The dynamic convolutions as PyTorch modules, for answer.py: DyConv, CondConv with its routing, ODConv, and the
convolution with given kernels. Each has the parameter names of its authors' module.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def pair(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def mix(weight, groups, kernel=None, filter=None, channel=None, spatial=None):
    """weight [K, O, C/G, Rh, Rw] -> [N, O, C/G, Rh, Rw]: the sum over k of kernel [N, K] times weight, times filter
    [N, O], channel [N, C] and spatial [N, Rh*Rw]. A factor that is None is 1. Only one kernel goes without `kernel`.
    """
    _, o, per_group, rh, rw = weight.shape
    w = weight if kernel is None else torch.einsum("nk,k...->n...", kernel, weight)
    if filter is not None:
        w = w * filter.reshape(-1, o, 1, 1, 1)
    if channel is not None:
        # an output channel sees the input channels of its group
        of_group = channel.reshape(-1, groups, 1, per_group).expand(-1, -1, o // groups, -1)
        w = w * of_group.reshape(-1, o, per_group, 1, 1)
    if spatial is not None:
        w = w * spatial.reshape(-1, 1, 1, rh, rw)
    return w


def same_padding(size, kernel, stride, dilation):
    """TensorFlow's zeros before and after one axis."""
    needed = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(needed - size, 0)
    return total // 2, total - total // 2


def convolve(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """x [N, C, H, W], weight [N, O, C/G, Rh, Rw], bias [N, O] or None. Convolves each image with its own kernel."""
    if padding == "same":
        axes = zip(x.shape[2:], weight.shape[3:], pair(stride), pair(dilation))
        vertical, horizontal = [same_padding(*axis) for axis in axes]
        x, padding = F.pad(x, horizontal + vertical), 0
    weight = weight.expand(len(x), *weight.shape[1:])
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    return torch.cat([
        F.conv2d(x[n:n + 1], weight[n], None if bias is None else bias[n], stride, padding, dilation, groups)
        for n in range(len(x))
    ])


class DynamicModule(nn.Module):
    """The geometry of a convolution, its kernels, the attentions and the mixture of the latest forward pass."""

    def __init__(self, in_channels, out_channels, kernel_size, num_kernels, groups=1, bias=False, flat=False, **geometry):
        super().__init__()
        self.geometry = {**geometry, "groups": groups}
        self.shape = (num_kernels, out_channels, in_channels // groups, *pair(kernel_size))
        stored = (num_kernels, math.prod(self.shape[1:])) if flat else self.shape
        self.weight = nn.Parameter(torch.zeros(stored))
        self.bias = nn.Parameter(torch.zeros(num_kernels, out_channels)) if bias else None
        self.attentions, self.mixed = {}, {}

    def convolve(self, x, **attentions):
        """attentions: the factors of mix() by name. Those that are missing or None are 1."""
        self.attentions = {name: a.flatten(1) for name, a in attentions.items() if a is not None}
        groups = self.geometry["groups"]
        weight = mix(self.weight.reshape(self.shape), groups, **self.attentions)
        bias = None if self.bias is None else self.attentions["kernel"] @ self.bias
        self.mixed = {"weight": weight.expand(len(x), *weight.shape[1:])}
        if bias is not None:
            self.mixed["bias"] = bias
        return convolve(x, weight, bias, **self.geometry)


class DyConvAttention(nn.Module):
    def __init__(self, channels, num_kernels, ratio):
        super().__init__()
        hidden = num_kernels if channels == 3 else int(channels * ratio) + 1
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, num_kernels, 1)

    def forward(self, x, temperature):
        hidden = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return F.softmax(self.fc2(hidden) / temperature, 1)


class DyConv(DynamicModule):
    """Chen et al., Dynamic Convolution: Attention over Convolution Kernels, CVPR 2020."""

    def __init__(self, in_channels, num_kernels=4, ratio=0.25, temperature=34, bias=True, **rest):
        super().__init__(in_channels, num_kernels=num_kernels, bias=bias, **rest)
        self.attention = DyConvAttention(in_channels, num_kernels, ratio)
        self.temperature = temperature

    def forward(self, x):
        return self.convolve(x, kernel=self.attention(x, self.temperature))


class CondConv(DynamicModule):
    """Yang et al., CondConv: Conditionally Parameterized Convolutions, NeurIPS 2019. The routing is inside."""

    def __init__(self, in_channels, num_experts=4, **rest):
        super().__init__(in_channels, num_kernels=num_experts, flat=True, **rest)
        self.routing_fn = nn.Linear(in_channels, num_experts)

    def forward(self, x):
        return self.convolve(x, kernel=torch.sigmoid(self.routing_fn(x.mean((2, 3)))))


class ODConvAttention(nn.Module):
    def __init__(self, channels, out_channels, taps, num_kernels, groups, reduction):
        super().__init__()
        hidden = max(int(channels * reduction), 16)
        self.fc = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.channel_fc = nn.Conv2d(hidden, channels, 1)
        depthwise = channels == groups == out_channels
        self.filter_fc = None if depthwise else nn.Conv2d(hidden, out_channels, 1)
        self.spatial_fc = None if taps == 1 else nn.Conv2d(hidden, taps, 1)
        self.kernel_fc = None if num_kernels == 1 else nn.Conv2d(hidden, num_kernels, 1)

    def forward(self, x, temperature):
        hidden = F.relu(self.bn(self.fc(x.mean((2, 3), keepdim=True))))
        heads = {
            "channel": self.channel_fc, "filter": self.filter_fc, "spatial": self.spatial_fc, "kernel": self.kernel_fc,
        }
        scores = {name: head(hidden) / temperature for name, head in heads.items() if head is not None}
        return {name: s.softmax(1) if name == "kernel" else s.sigmoid() for name, s in scores.items()}


class ODConv(DynamicModule):
    """Li et al., Omni-Dimensional Dynamic Convolution, ICLR 2022."""

    def __init__(self, in_channels, out_channels, num_kernels=4, reduction=0.0625, temperature=1, groups=1, **rest):
        super().__init__(in_channels, out_channels, num_kernels=num_kernels, groups=groups, **rest)
        taps = math.prod(self.shape[3:])
        self.attention = ODConvAttention(in_channels, out_channels, taps, num_kernels, groups, reduction)
        self.temperature = temperature

    def forward(self, x):
        return self.convolve(x, **self.attention(x, self.temperature))


class SharedRouting(nn.Module):
    """Two CondConvs of the same number of experts, one after the other, with one routing."""

    def __init__(self, first, second):
        super().__init__()
        experts = first["num_experts"]
        self.routing_fn = nn.Linear(first["in_channels"], experts)
        self.first, self.second = [
            DynamicModule(**{key: value for key, value in options.items() if key != "num_experts"},
                          num_kernels=experts, flat=True) for options in (first, second)
        ]
        self.attentions, self.mixed = {}, {}

    def forward(self, x):
        a = torch.sigmoid(self.routing_fn(x.mean((2, 3))))
        self.attentions = {"kernel": a}
        return self.second.convolve(self.first.convolve(x, kernel=a), kernel=a)


class GivenKernels(nn.Module):
    """Its parameters are the kernels [N, O, C/G, Rh, Rw] and biases [N, O], so that they have gradients like those."""

    def __init__(self, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        super().__init__()
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.weight = nn.Parameter(torch.zeros(weight))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))
        self.attentions, self.mixed = {}, {}

    def forward(self, x):
        return convolve(x, self.weight, self.bias, **self.geometry)


KINDS = {"dyconv": DyConv, "condconv": CondConv, "odconv": ODConv, "shared": SharedRouting, "given": GivenKernels}


def make(kind, options, state, mode):
    module = KINDS[kind](**options)
    module.load_state_dict(state, strict=True)
    return module.train(mode == "train")


def under(tensors, prefix):
    return {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}


def passes(tensors, cases):
    """Runs the cases forward, and backward from grad_output. tensors: INDEX.input, INDEX.grad_output, INDEX.state.NAME.
    Computes in double precision: batch norm over two images magnifies the rounding of single precision.

    Returns INDEX.output, INDEX.attention.FACTOR, INDEX.mixed.weight, INDEX.mixed.bias, INDEX.after.NAME (the state
    afterwards), INDEX.grad.input and INDEX.grad.NAME.
    """
    answer = {}
    for index, case in enumerate(cases):
        given = under(tensors, f"{index}.")
        module = make(case["kind"], case["options"], under(given, "state."), case["mode"]).double()
        x = given["input"].double().requires_grad_(True)
        y = module(x)
        (y * given["grad_output"]).sum().backward()
        result = {"output": y, "grad.input": x.grad}
        result.update({"attention." + name: a for name, a in module.attentions.items()})
        result.update({"mixed." + name: value for name, value in module.mixed.items()})
        result.update({"after." + name: value for name, value in module.state_dict().items()})
        result.update({"grad." + name: p.grad for name, p in module.named_parameters()})
        answer.update({f"{index}.{name}": value for name, value in result.items()})
    return answer


def family_training(tensors, kind, options, mode, optimizer, settings, temperatures):
    """Losses, and the state after the last step. Each step has its temperature; null: the kind has none."""
    module = make(kind, options, under(tensors, "state."), mode)
    trainer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](module.parameters(), **settings)
    losses = []
    for temperature in temperatures:
        if temperature is not None:
            module.temperature = temperature
        trainer.zero_grad(set_to_none=True)
        loss = F.mse_loss(module(tensors["input"]), tensors["target"])
        loss.backward()
        trainer.step()
        losses.append(loss.item())
    after = {"after." + name: value for name, value in module.state_dict().items()}
    return {"loss": torch.tensor(losses, dtype=torch.float64), **after}
