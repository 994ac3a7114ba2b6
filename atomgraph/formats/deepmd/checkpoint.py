"""Reader of deepmd-kit's PyTorch files as data: checkpoints (``.pt``) and TorchScript (``.pth``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.deepmd.description import (
    DescriptorData,
    ModelData,
    energies_of_types,
    exclusions,
    read_entry,
    read_layers,
    read_networks,
    type_names,
)
from atomgraph.formats.deepmd.unsupported import COMPRESSED, check_fitting, check_model, descriptor_kind
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.decode import ValueDecoder, dict_items
from atomgraph.formats.pickled.safe_pickle import PickledObject

_MODEL = "model.Default."  # prefix of all tensors in a checkpoint of one model
_MAX_DEPTH, _MAX_MODULES = 40, 100_000
# descriptor: prefix of the names of its tensors
_PREFIXES = {"se_e2_a": "sea.", "se_e2_r": "", "se_e3": "seat.", "se_atten": "se_atten."}


def read_archive(archive: Archive) -> ModelData:
    """Return the model of a file of PyTorch; FormatError if it is not one of deepmd-kit, or has unsupported options."""
    decode = ValueDecoder(archive.tensor)
    if archive.is_script:
        script = _ScriptReader(decode)
        script.read(archive.root, "", 0)
        try:
            config = json.loads(script.texts["model_def_script"])
        except (KeyError, ValueError, RecursionError):
            raise FormatError(
                "the file has no valid configuration (model_def_script); copy or download it again"
            ) from None
        return model_data(config, script.tensors)
    content = dict(dict_items(archive.root))
    state = decode(content["model"]) if "model" in content else decode(archive.root)
    if not isinstance(state, dict):
        raise FormatError("the checkpoint has no state dict (model)")
    config = read_entry(read_entry(state, "_extra_state", dict), "model_params", dict)
    tensors = {
        name.removeprefix(_MODEL): tensor
        for name, tensor in state.items()
        if isinstance(name, str) and isinstance(tensor, Tensor)
    }
    return model_data(config, tensors)


def model_data(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ModelData:
    """Return the model of a configuration and a state dict.

    Args:
        config: Configuration of the model, as in the input file of deepmd-kit.
        tensors: State dict, whose names begin with ``atomic_model.``.

    Raises:
        FormatError: If something is missing, or has an option that atomgraph does not have.
    """
    check_model(config)
    types = type_names(config)
    fitting = read_entry(config, "fitting_net", dict, default={})
    check_fitting(fitting)
    options = read_entry(config, "descriptor", dict)
    root = "atomic_model."
    if descriptor_kind(options) == "hybrid":
        parts = read_entry(options, "list", list)
        descriptors = [
            _descriptor(part, tensors, f"{root}descriptor.descrpt_list.{i}.") for i, part in enumerate(parts)
        ]
    else:
        descriptors = [_descriptor(options, tensors, f"{root}descriptor.")]
    activation = read_entry(fitting, "activation_function", str, default="tanh")
    networks = read_networks(tensors, f"{root}fitting_net.filter_layers", activation)
    bias = tensors.get(f"{root}fitting_net.bias_atom_e")
    return ModelData(
        types=types,
        descriptors=descriptors,
        fitting=list(networks.values()),
        energies=energies_of_types(bias, len(types), "bias_atom_e"),
        shift=energies_of_types(tensors.get(f"{root}out_bias"), len(types), "out_bias"),
        origin={"backend": "PyTorch"},
        **exclusions(config, fitting),
    )


def _descriptor(options: Mapping[str, Any], tensors: Mapping[str, Tensor], prefix: str) -> DescriptorData:
    """Return one descriptor from its options and tensors."""
    kind = descriptor_kind(options)
    if kind == "hybrid":
        raise FormatError("the file has a hybrid descriptor inside a hybrid descriptor")
    block = prefix + _PREFIXES[kind]
    table = tensors.get(f"{block}compress_data.0")
    if table is not None and table.numel():
        raise FormatError(COMPRESSED)
    missing = [name for name in ("mean", "stddev") if f"{block}{name}" not in tensors]
    if missing:
        raise FormatError(f"the file has no tensor {block}{missing[0]}; copy or download it again")
    if kind == "se_e2_r":  # PyTorch has no networks of pairs here, but configurations contain the default false
        options = {**options, "type_one_side": True}
    activation = read_entry(options, "activation_function", str, default="tanh")
    type_network = None
    if kind == "se_atten":
        type_network = read_layers(tensors, f"{prefix}type_embedding.embedding.embedding_net", "linear")
        if type_network is None:
            raise FormatError("the file has no network of the vectors of types (type_embedding)")
    return DescriptorData(
        kind=kind,
        options=options,
        mean=tensors[f"{block}mean"],
        width=tensors[f"{block}stddev"],
        networks=read_networks(tensors, f"{block}filter_layers", activation),
        type_network=type_network,
    )


class _ScriptReader:
    """Collects tensors and texts of the modules of a TorchScript archive by their dotted names.

    Args:
        decode: Decoder of tensors and plain values.

    Attributes:
        tensors: Tensors by dotted name.
        texts: Texts of the root by name.
    """

    def __init__(self, decode: ValueDecoder):
        self._decode, self._count = decode, 0
        self.tensors: dict[str, Tensor] = {}
        self.texts: dict[str, str] = {}

    def read(self, node: Any, prefix: str, depth: int) -> None:
        """Collect the tensors of a module and its submodules.

        Args:
            node: The module.
            prefix: Dotted name of the module, with a dot at the end; empty for the root.
            depth: Number of modules that contain this module.

        Raises:
            FormatError: If modules are nested too deeply.
        """
        self._count += 1
        if depth > _MAX_DEPTH or self._count > _MAX_MODULES:
            raise FormatError("the modules are nested in a circle, or deeper than in any model")
        for name, child in dict_items(node.state if isinstance(node, PickledObject) else None):
            if not isinstance(name, str):
                raise FormatError(f"the name of a part should be text, but is a {type(name).__name__}")
            if isinstance(child, str) and not prefix:
                self.texts[name] = child
            elif (result := self._decode.parameter(child)) is not None:
                self.tensors[prefix + name] = result[0]
            elif isinstance(child, PickledObject) and child.module.startswith("__torch__."):
                self.read(child, f"{prefix}{name}.", depth + 1)
