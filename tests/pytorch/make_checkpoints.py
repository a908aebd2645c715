"""Writes tests/fixtures/checkpoints: files of torch.save, and expected.json with the numbers that are in them.

usage: python3 tests/pytorch/make_checkpoints.py FOLDER
"""
import argparse
import collections
import json
import pathlib
import sys

import torch

torch.manual_seed(0)
base = torch.arange(24.0)
state = collections.OrderedDict(
    transposed=base.reshape(4, 6).t(),
    part=base[5:11],
    strided=base.reshape(2, 3, 4)[:, ::2, 1::2],
    expanded=torch.ones(1).expand(3, 2),
    half=torch.randn(3).half(),
    bfloat16=torch.randn(3).bfloat16(),
    double=torch.randn(2).double(),
    count=torch.tensor(7),
    flags=torch.tensor([True, False]),
    bytes=torch.tensor([-3, 4], dtype=torch.int8),
    empty=torch.zeros(0, 3),
    parameter=torch.nn.Parameter(torch.randn(2)),
    shared=base,
)
model = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 1), torch.nn.BatchNorm2d(2))
optimizer = torch.optim.Adam(model.parameters())
model(torch.randn(2, 2, 3, 3)).sum().backward()
optimizer.step()

wrapped = {"module." + name: value for name, value in state.items()}
compiled = {"_orig_mod." + name: value for name, value in state.items()}
training = {
    "epoch": 3,
    "args": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("runs")),
    "optimizer": optimizer.state_dict(),
    "state_dict": wrapped,
}
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
torch.save(state, folder / "plain.pth")
torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(training, folder / "training.pth")
torch.save({"model": compiled, "iteration": 9}, folder / "compiled.pth")
torch.save({"net": model}, folder / "whole-model.pth")
torch.save({"epoch": 1, "lr": [0.1, 0.2]}, folder / "no-weights.pth")
torch.save({"spectrum": torch.zeros(2, dtype=torch.complex64)}, folder / "complex.pth")


def numbers(tensors):
    return {name: [list(value.shape), value.detach().double().flatten().tolist()] for name, value in tensors.items()}


expected = {"state": numbers(state), "model": numbers(model.state_dict())}
(folder / "expected.json").write_text(json.dumps(expected) + "\n")
