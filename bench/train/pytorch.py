"""Trains the block with PyTorch, for bench/train/pytorch.mjs: python3 pytorch.py THREADS

A request is a line of JSON on standard input, its answer a line of JSON on standard output. The first line that it
writes is {"version", "threads"}. The requests:
  {"prepare": {"geometry", "groups", "lr", "tensors": [[name, shape], ...]}}, then the tensors' floats  ->  {}
  {"burst": steps}  ->  {"ms": milliseconds of one step, "losses": [...]}
"""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """The block, with the sizes that its state dict has."""

    def __init__(self, state, geometry, groups):
        super().__init__()
        hidden, channels = state["attention.conv1.weight"].shape[:2]
        kernels = state["attention.conv2.weight"].shape[0]
        self.attention = nn.ModuleDict({
            "conv1": nn.Conv2d(channels, hidden, 1, bias=False),
            "bn": nn.BatchNorm2d(hidden),
            "conv2": nn.Conv2d(hidden, kernels, 1),
        })
        self.aggregation = nn.ParameterDict({
            name: nn.Parameter(torch.empty_like(state["aggregation." + name]))
            for name in ("weight", "bias") if "aggregation." + name in state
        })
        self.geometry, self.groups = geometry, groups
        self.load_state_dict({"attention.bn.num_batches_tracked": torch.tensor(0), **state})

    def forward(self, x):
        layers, kernels = self.attention, self.aggregation
        hidden = F.relu(layers["bn"](layers["conv1"](F.adaptive_avg_pool2d(x, 1))))
        attention = torch.sigmoid(layers["conv2"](hidden)).flatten(1)
        weight = attention @ kernels["weight"].flatten(1)
        bias = (attention @ kernels["bias"]).flatten() if "bias" in kernels else None
        # A batch becomes one image with N times the groups, because each image has its own mixture of kernels.
        count, _, height, width = x.shape
        weight = weight.reshape(-1, *kernels["weight"].shape[2:])
        y = F.conv2d(x.reshape(1, -1, height, width), weight, bias, groups=count * self.groups, **self.geometry)
        return y.reshape(count, -1, *y.shape[2:])


class Trainer:
    def __init__(self, tensors, geometry, groups, lr):
        self.given = tensors.pop("input")
        self.target = tensors.pop("target")
        self.x = torch.empty_like(self.given)
        self.block = Block(tensors, geometry, groups).eval()
        self.optimizer = torch.optim.Adam(self.block.parameters(), lr=lr)

    def step(self):
        self.x.copy_(self.given)
        loss = F.mse_loss(self.block(self.x), self.target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def burst(self, steps):
        start = time.perf_counter()
        losses = [self.step() for _ in range(steps)]
        return {"ms": (time.perf_counter() - start) * 1e3 / steps, "losses": losses}


def read_tensors(stream, described):
    tensors = {}
    for name, shape in described:
        data = bytearray(stream.read(4 * math.prod(shape)))
        tensors[name] = torch.frombuffer(data, dtype=torch.float32).reshape(shape)
    return tensors


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    answer({"version": torch.__version__, "threads": torch.get_num_threads()})
    trainer = None
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        if "prepare" in request:
            arguments = request["prepare"]
            tensors = read_tensors(sys.stdin.buffer, arguments.pop("tensors"))
            trainer = Trainer(tensors, **arguments)
            answer({})
        else:
            answer(trainer.burst(request["burst"]))


if __name__ == "__main__":
    main()
