"""Writes tests/fixtures/exporters: networks of export_networks.py as the exporters of today write them.

usage: python3 tests/pytorch/export_fixtures.py [FOLDER] [NAME...]

The fixtures were made by torch 2.15.0 with onnx 1.23.2, onnxscript 0.7.2, onnxsim 0.8.1 and onnxslim 0.1.98 on
Python 3.11. The tests need none of them.

NAME.safetensors.gz holds, for each variant, the bytes of the file; and inputs and PyTorch's outputs. A variant is an
exporter (script: dynamo=False, dynamo: dynamo=True), an opset, and perhaps `open` (sizes are open), `batch` (two samples)
or a program that simplified the file (onnxsim, onnxslim). `open` and `batch` have inputs and outputs of their own. Dynamic
convolutions have no open batch: it is their number of groups, which an ONNX file cannot leave open.
Stack traces are taken out of the files, because they name folders of the machine; nothing else is changed.
"""
import contextlib
import gzip
import importlib.metadata
import io
import json
import logging
import pathlib
import sys
import tempfile
import warnings

import onnx
import onnxsim
import onnxslim
import torch

from answer import write
from export_networks import NETWORKS

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

# The dynamic layers have the most ways to be written, so they get all variants.
USUAL = ["script-11", "script-17", "script-17-open", "script-17-onnxsim", "dynamo-18", "dynamo-20", "dynamo-18-open",
         "dynamo-18-onnxslim"]
ALL = [*USUAL, "script-13", "script-13-open", "script-18", "script-20", "script-17-onnxslim",
       "script-17-batch", "dynamo-17", "dynamo-18-onnxsim", "dynamo-18-batch", "dynamo-20-open"]


def prepare(kind):
    """The network in evaluation mode, with weights that compress well and batch norms that do something."""
    torch.manual_seed(sum(kind.__name__.encode()))
    network = kind().eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1:
                tensor.add_(torch.randn_like(tensor) * 0.3)
            tensor.copy_((tensor * 64).round() / 64)
    return network


def open_sizes(kind, exporter):
    """The batch and the last axes are open, as the network's second input says."""
    axes = {axis: f"size{axis}" for axis, (a, b) in enumerate(zip(kind.size, kind.other)) if a != b}
    if exporter == "script":
        return {"dynamic_axes": {"x": axes}}
    return {"dynamic_shapes": ({axis: torch.export.Dim(name, min=2, max=64) for axis, name in axes.items()},)}


def twice(size):
    return (2, *size[1:])


def export(network, kind, variant):
    """The bytes of an ONNX file, without stack traces."""
    exporter, opset, *rest = variant.split("-")
    options = open_sizes(kind, exporter) if "open" in rest else {}
    # a length of 1 would count as fixed
    x = torch.randn(kind.other if "open" in rest else twice(kind.size) if "batch" in rest else kind.size)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        if exporter == "dynamo":
            options["external_data"] = False
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(network, (x,), path, opset_version=int(opset), dynamo=exporter == "dynamo",
                              input_names=["x"], **options)
        model = onnx.load(path)
    if "onnxsim" in rest:
        model, is_equal = onnxsim.simplify(model)
        assert is_equal
    if "onnxslim" in rest:
        model = onnxslim.slim(model)
    remove_traces(model.graph)
    return model.SerializeToString()


def remove_traces(graph):
    graph.doc_string = ""
    for node in graph.node:
        node.doc_string = ""
        kept = [entry for entry in node.metadata_props if "stack_trace" not in entry.key]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)


def answers(network, size, prefix):
    """An input of this size and the network's outputs, under names with this prefix."""
    x = torch.randn(size)
    with torch.no_grad():
        y = network(x)
    outputs = y if isinstance(y, tuple) else (y,)
    return {f"{prefix}input": x, **{f"{prefix}output.{i}": one for i, one in enumerate(outputs)}}


def fixture(kind):
    network = prepare(kind)
    tensors = {**answers(network, kind.size, ""), **answers(network, kind.other, "open.")}
    if kind.dynamic:
        tensors.update(answers(network, twice(kind.size), "batch."))
    # similar files compress best side by side
    for variant in sorted(ALL if kind.dynamic else USUAL):
        try:
            data = export(network, kind, variant)
        except Exception as error:  # an exporter that cannot is no fixture
            print(f"  {variant}: {type(error).__name__}: {str(error).strip().splitlines()[0][:150]}", file=sys.stderr)
            continue
        tensors[f"file.{variant}"] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return tensors


def main(folder="tests/fixtures/exporters", *names):
    versions = {name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxscript", "onnxsim", "onnxslim")}
    print(json.dumps(versions), file=sys.stderr)
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in names or NETWORKS:
        tensors = fixture(NETWORKS[name])
        with tempfile.NamedTemporaryFile() as plain:
            write(plain.name, tensors)
            data = pathlib.Path(plain.name).read_bytes()
        # no time stamp: the same networks make the same file
        (target / f"{name}.safetensors.gz").write_bytes(gzip.compress(data, 9, mtime=0))
        print(f"{name}: {len(data)} bytes, {sum(1 for key in tensors if key.startswith('file.'))} files", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
