"""Small DeePMD models with random weights, written by hand in every format that is read."""

import itertools
import json
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import yaml

from helpers.mace_mutations import archive, records

TYPES, SEL, NEURON, AXIS, FITTING = ["O", "H"], [6, 9], [2, 4], 2, [5, 5]


def config() -> dict:
    """The configuration of the model, as in deepmd-kit's input file."""
    descriptor = {"type": "se_e2_a", "rcut": 4.0, "rcut_smth": 1.0, "sel": SEL, "neuron": NEURON, "axis_neuron": AXIS}
    descriptor |= {"resnet_dt": False, "type_one_side": True, "activation_function": "tanh", "precision": "float64"}
    return {"type_map": TYPES, "descriptor": descriptor, "fitting_net": {"neuron": FITTING, "resnet_dt": True}}


def tensors() -> dict[str, torch.Tensor]:
    """The state dict of the model, by the names of deepmd-kit's PyTorch files without ``model.Default.``."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    state = {"atomic_model.out_bias": random(1, 2, 1), "atomic_model.fitting_net.bias_atom_e": random(2, 1)}
    mean, width = torch.zeros(2, sum(SEL), 4, dtype=torch.float64), torch.ones(2, sum(SEL), 4, dtype=torch.float64)
    mean[0, :, 0], mean[1, :, 0], width[0, :, 0] = 0.1, 0.2, 0.5
    block = "atomic_model.descriptor.sea."
    state |= {f"{block}mean": mean, f"{block}stddev": width * 0.3}
    networks = {f"{block}filter_layers": [1, *NEURON], "atomic_model.fitting_net.filter_layers": [8, *FITTING, 1]}
    for name, widths in networks.items():
        for t in range(2):
            for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
                layer = f"{name}.networks.{t}.layers.{k}"
                state |= {f"{layer}.matrix": random(n_in, n_out), f"{layer}.bias": random(n_out)}
                if "fitting" in name and n_in == n_out:
                    state[f"{layer}.idt"] = random(n_out)
    return state


def portable(state: dict[str, torch.Tensor] | None = None) -> dict:
    """The mapping of the portable formats, with numpy arrays."""
    arrays = {name: tensor.numpy() for name, tensor in (state or tensors()).items()}

    def networks(prefix):
        result = []
        for t in range(2):
            layers = []
            while f"{prefix}.networks.{t}.layers.{len(layers)}.matrix" in arrays:
                layer = f"{prefix}.networks.{t}.layers.{len(layers)}"
                names = {"w": "matrix", "b": "bias", "idt": "idt"}
                variables = {key: arrays.get(f"{layer}.{name}") for key, name in names.items()}
                is_last = variables["w"].shape[1] == 1
                layers.append(
                    {
                        "@class": "Layer",
                        "activation_function": "none" if is_last else "tanh",
                        "resnet": not is_last,
                        "@variables": variables,
                    }
                )
            result.append({"@class": "Network", "layers": layers})
        return {"@class": "NetworkCollection", "networks": result}

    block = "atomic_model.descriptor.sea."
    descriptor = config()["descriptor"] | {
        "@class": "Descriptor",
        "@version": 2,
        "exclude_types": [],
        "embeddings": networks(f"{block}filter_layers"),
        "@variables": {"davg": arrays[f"{block}mean"], "dstd": arrays[f"{block}stddev"]},
    }
    fitting = {
        "@class": "Fitting",
        "type": "ener",
        "exclude_types": [],
        "nets": networks("atomic_model.fitting_net.filter_layers"),
        "@variables": {"bias_atom_e": arrays["atomic_model.fitting_net.bias_atom_e"]},
    }
    model = {"@class": "Model", "type": "standard", "type_map": TYPES, "descriptor": descriptor, "fitting": fitting}
    model |= {"atom_exclude_types": [], "pair_exclude_types": []}
    model["@variables"] = {"out_bias": arrays["atomic_model.out_bias"]}
    return {"backend": "PyTorch", "software": "deepmd-kit", "model_def_script": config(), "model": model}


def write_hdf5(path: Path, mapping: dict | None = None) -> Path:
    """Write a ``.dp`` file."""
    import h5py

    with h5py.File(path, "w") as file:
        count = 0

        def convert(node):
            nonlocal count
            if isinstance(node, dict):
                return {key: convert(item) for key, item in node.items()}
            if isinstance(node, np.ndarray):
                name, count = f"/variable_{count:04d}", count + 1
                file.create_dataset(name, data=node)
                return name
            return node if not isinstance(node, list) else [convert(item) for item in node]

        file.attrs["json"] = json.dumps(convert(mapping or portable()))
    return path


def write_yaml(path: Path, mapping: dict | None = None) -> Path:
    """Write a ``.yaml`` file."""

    def convert(node):
        if isinstance(node, dict):
            return {key: convert(item) for key, item in node.items()}
        if isinstance(node, np.ndarray):
            return {"@class": "np.ndarray", "@is_variable": True, "dtype": str(node.dtype), "value": node.tolist()}
        return node if not isinstance(node, list) else [convert(item) for item in node]

    path.write_text(yaml.safe_dump(convert(mapping or portable())))
    return path


def write_checkpoint(path: Path, options: dict | None = None, state: dict | None = None) -> Path:
    """Write a ``.pt`` file."""
    content = {f"model.Default.{name}": tensor for name, tensor in (state or tensors()).items()}
    content["_extra_state"] = {"model_params": options or config(), "train_infos": {"lr": 0, "step": 0}}
    torch.save({"model": content, "optimizer": {"state": {}}}, path)
    return path


class Branch(torch.nn.Module):
    """A module of a tree that TorchScript can save."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def write_script(path: Path) -> Path:
    """Write a ``.pth`` file of TorchScript, whose classes are renamed to those of deepmd-kit."""
    root = Branch()
    for name, tensor in tensors().items():
        *places, last = name.split(".")
        node = root
        for place in places:
            if not hasattr(node, place):
                node.add_module(place, Branch())
            node = getattr(node, place)
        node.register_buffer(last, tensor)
    root.model_def_script = json.dumps(config())
    target = BytesIO()
    torch.jit.save(torch.jit.script(root), target)
    parts = records(target.getvalue())
    name = next(key for key in parts if key.endswith("/data.pkl"))
    parts[name] = parts[name].replace(b"__torch__.", b"__torch__.deepmd.")
    path.write_bytes(archive(parts))
    return path


def write_graph(path: Path, options: dict | None = None) -> Path:
    """Write a ``.pb`` file."""
    state = tensors()
    names = {"matrix": "matrix", "bias": "bias", "idt": "idt"}
    constants = {"model_attr/tmap": " ".join(TYPES), "model_attr/model_type": "ener"}
    for attribute, name in (("t_avg", "mean"), ("t_std", "stddev")):
        constants[f"descrpt_attr/{attribute}"] = state[f"atomic_model.descriptor.sea.{name}"].flatten(1)
    bias = state["atomic_model.fitting_net.bias_atom_e"] + state["atomic_model.out_bias"][0]
    constants["fitting_attr/t_bias_atom_e"] = bias[:, 0]
    for name, tensor in state.items():
        parts = name.split(".")
        if "filter_layers" in parts:
            t, k, last = parts[-4], int(parts[-2]), names[parts[-1]]
            if "descriptor" in parts:
                constants[f"filter_type_all/{last}_{k + 1}_{t}"] = tensor
            else:
                folder = f"final_layer_type_{t}" if k == len(FITTING) else f"layer_{k}_type_{t}"
                constants[f"{folder}/{last}"] = tensor
    if options is not None:
        constants["train_attr/training_script"] = json.dumps({"model": options})
    nodes = [_node(name, "Const", {"value": _tensor(content)}) for name, content in constants.items()]
    sel = _field(1, b"".join(_number(3, n) for n in SEL))
    attributes = {"rcut_r": _real(4.0), "rcut_r_smth": _real(1.0), "sel_a": sel}
    nodes.append(_node("ProdEnvMatA", "ProdEnvMatA", attributes))
    path.write_bytes(b"".join(_field(1, node) for node in nodes))
    return path


def _varint(number: int) -> bytes:
    result = b""
    while number > 127:
        result, number = result + bytes([number & 127 | 128]), number >> 7
    return result + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _real(value: float) -> bytes:
    return _varint(4 << 3 | 5) + struct.pack("<f", value)


def _tensor(content) -> bytes:
    if isinstance(content, str):
        return _field(8, _number(1, 7) + _field(8, content.encode()))
    shape = b"".join(_field(2, _number(1, size)) for size in content.shape)
    return _field(8, _number(1, 2) + _field(2, shape) + _field(4, content.numpy().tobytes()))


def _node(name: str, kind: str, attributes: dict[str, bytes]) -> bytes:
    entries = [_field(5, _field(1, key.encode()) + _field(2, value)) for key, value in attributes.items()]
    return _field(1, name.encode()) + _field(2, kind.encode()) + b"".join(entries)


WRITERS = {
    ".dp": write_hdf5,
    ".yaml": write_yaml,
    ".pt": write_checkpoint,
    ".pth": write_script,
    ".pb": write_graph,
}
