"""Computes with PyTorch what a test asks for: python3 answer.py REQUEST ANSWER

Both are .safetensors files. In the request's __metadata__, "request" is JSON. Its "task" names a function of this file
or of family.py, and the rest are the function's arguments.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

from family import family_training, passes

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I16": np.int16, "BOOL": np.bool_, "U8": np.uint8}


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def write(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        array = np.array(tensor.detach().numpy())
        dtype = next(key for key, kind in DTYPES.items() if kind == array.dtype.type)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        blobs.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def modules(state):
    """PyTorch's layers of the block, with the sizes of the state dict. They load it strictly."""
    m, c = state["attention.conv1.weight"].shape[:2]
    k = state["attention.conv2.weight"].shape[0]
    attention = torch.nn.ModuleDict({
        "conv1": torch.nn.Conv2d(c, m, 1, bias=False),
        "bn": torch.nn.BatchNorm2d(m),
        "conv2": torch.nn.Conv2d(m, k, 1),
    })
    aggregation = torch.nn.ParameterDict()
    for name in ("weight", "bias"):  # the order matters: optimizers number the parameters
        if f"aggregation.{name}" in state:
            aggregation[name] = torch.nn.Parameter(torch.empty_like(state[f"aggregation.{name}"]))
    both = torch.nn.ModuleDict({"attention": attention, "aggregation": aggregation})
    both.load_state_dict(state, strict=True)
    return both


def forward(both, x, stride=1, padding=0, dilation=1, groups=1):
    """x [N, C, H, W] -> attention [N, K], output [N, O, Ho, Wo]"""
    layers, kernels = both["attention"], both["aggregation"]
    hidden = torch.relu(layers["bn"](layers["conv1"](x.mean((2, 3), keepdim=True))))
    a = torch.sigmoid(layers["conv2"](hidden)).flatten(1)
    weight = torch.einsum("nk,k...->n...", a, kernels["weight"])
    bias = a @ kernels["bias"] if "bias" in kernels else [None] * len(x)
    images = [F.conv2d(x[n:n + 1], weight[n], bias[n], stride, padding, dilation, groups) for n in range(len(x))]
    return a, torch.cat(images)


def state_of(tensors):
    return {name: value for name, value in tensors.items() if name.split(".")[0] in ("attention", "aggregation")}


def output(tensors, geometry):
    """Attention weights and output of a state dict in evaluation mode."""
    a, y = forward(modules(state_of(tensors)).eval(), tensors["input"], **geometry)
    return {"attention": a, "output": y}


def training(tensors, geometry, mode, loss, optimizer, options, steps):
    """Losses, the gradients of the first step, and the state after the last."""
    both = modules(state_of(tensors)).train(mode == "train")
    x = tensors["input"].requires_grad_(True)
    trainer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](both.parameters(), **options)
    measure = {"mse": F.mse_loss, "l1": F.l1_loss, "huber": F.huber_loss}[loss]
    answer, losses = {}, []
    for step in range(steps):
        trainer.zero_grad(set_to_none=True)
        x.grad = None
        value = measure(forward(both, x, **geometry)[1], tensors["target"])
        value.backward()
        if step == 0:
            answer["grad.input"] = x.grad.clone()
            answer.update({"grad." + name: p.grad.clone() for name, p in both.named_parameters()})
        trainer.step()
        losses.append(value.item())
    answer["loss"] = torch.tensor(losses, dtype=torch.float64)
    answer.update({"after." + name: value for name, value in both.state_dict().items()})
    return answer


def nested(flat):
    """PyTorch's state dict of an optimizer, from flat names such as state.0.exp_avg and param_groups.0.lr."""
    state_dict = {"state": {}, "param_groups": []}
    for name, value in flat.items():
        kind, index, field = name.split(".")
        if kind == "state":
            state_dict["state"].setdefault(int(index), {})[field] = value
            continue
        while len(state_dict["param_groups"]) <= int(index):
            state_dict["param_groups"].append({})
        state_dict["param_groups"][int(index)][field] = tuple(value.tolist()) if field == "betas" else value.tolist()
    return state_dict


def flat(state_dict):
    """The reverse of nested(). Leaves None out."""
    answer = {}
    groups = dict(enumerate(state_dict["param_groups"]))
    for kind, items in {"state": state_dict["state"], "param_groups": groups}.items():
        for index, fields in items.items():
            for field, value in fields.items():
                if isinstance(value, (float, tuple)):
                    value = torch.tensor(value, dtype=torch.float64)
                if value is not None:
                    answer[f"{kind}.{index}.{field}"] = torch.as_tensor(value)
    return answer


def resuming(tensors, geometry, mode, optimizer, options, steps, more):
    """Continues training, from an optimizer's state if there is one. Returns both states after some steps and after more."""
    both = modules(state_of(tensors)).train(mode == "train")
    trainer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](both.parameters(), **options)
    saved = {name: value for name, value in tensors.items() if name.split(".")[0] in ("state", "param_groups")}
    if saved:
        trainer.load_state_dict(nested(saved))
    answer = {}
    for prefix, count in {"after.": steps, "final.": more}.items():
        for _ in range(count):
            trainer.zero_grad(set_to_none=True)
            F.mse_loss(forward(both, tensors["input"], **geometry)[1], tensors["target"]).backward()
            trainer.step()
        for name, value in {**both.state_dict(), **flat(trainer.state_dict())}.items():
            answer[prefix + name] = value.clone()
    return answer


def halves(tensors):
    """The bits of PyTorch's 16-bit floats."""
    x = tensors["x"]
    return {"F16": x.half().view(torch.int16), "BF16": x.bfloat16().view(torch.int16)}


def losses(tensors, delta):
    """Each loss of y and target, with its gradient."""
    answer = {}
    for name, measure in {
        "mse": F.mse_loss, "l1": F.l1_loss, "huber": lambda y, t: F.huber_loss(y, t, delta=delta),
    }.items():
        y = tensors["y"].clone().requires_grad_(True)
        value = measure(y, tensors["target"])
        value.backward()
        answer[name], answer["grad." + name] = value, y.grad
    return answer


def schedules(tensors, lr, steps, least, every, factor):
    """The learning rates of the first steps by PyTorch's schedulers."""
    answer = {}
    for name, make in {
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps, least),
        "step": lambda o: torch.optim.lr_scheduler.StepLR(o, every, factor),
        "warmup": lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / every, 1, every - 1),
    }.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
        scheduler, rates = make(optimizer), []
        for _ in range(steps + 1):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        answer[name] = torch.tensor(rates, dtype=torch.float64)
    return answer


if __name__ == "__main__":
    torch.set_num_threads(1)
    request, result = sys.argv[1:]
    given, metadata = read(request)
    arguments = json.loads(metadata["request"])
    tasks = (output, training, resuming, halves, losses, schedules, passes, family_training)
    task = {function.__name__: function for function in tasks}[arguments.pop("task")]
    write(result, task(given, **arguments))
