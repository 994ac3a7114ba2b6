"""Checkpoints of SevenNet; no code of the file is executed, and SevenNet is not needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.file_errors import weight_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.decode import ValueDecoder, text_entries
from atomgraph.formats.sevennet.architecture import model_arguments
from atomgraph.formats.sevennet.weights import translate_weights
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.nequip import NequIP

UNITS = {"energy": "eV", "length": "Å"}
_OLD_NAMES = {  # module in files before version 0.10: module of today
    "EdgeEmbedding": "edge_embedding",
    "onehot to feature x": "onehot_to_feature_x",
    "reducing nn input to hidden": "reduce_input_to_hidden",
    "reducing nn hidden to energy": "reduce_hidden_to_energy",
    "rescale atomic energy": "rescale_atomic_energy",
}


def recognises_root(root: Any) -> bool:
    """Return whether the root of an archive is a checkpoint of SevenNet."""
    return {"model_state_dict", "config"} <= text_entries(root).keys()


def read_archive(path: Path, archive: Archive, hints: FileHints) -> tuple[NequIP, dict[str, Any]]:
    """Return the model of a checkpoint, and metadata on its origin.

    Raises:
        FormatError: If the checkpoint is damaged, or has an option that is not supported.
        WiringError: If the model cannot be built.
    """
    decode = ValueDecoder(archive.tensor)
    entries = text_entries(archive.root)
    config, state = decode(entries["config"]), decode(entries["model_state_dict"])
    if not isinstance(config, Mapping) or not isinstance(state, Mapping):
        raise FormatError("the checkpoint should have a configuration and weights, but one of them is not a dictionary")
    tensors = {_current_name(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if any(".f.tp.f_fx.module" in name for name in tensors):
        raise FormatError("the weights are those of cuEquivariance; write the checkpoint without this library")
    model = _build(config, tensors, path.stat().st_size)
    hints.resolve_elements(path, model.elements)
    hints.resolve_units(path, UNITS)
    origin = {"format": "SevenNet", "file": path.name, "version": str(config.get("version"))}
    return model, {"origin": origin}


def _build(config: Mapping[str, Any], tensors: Mapping[str, Tensor], n_bytes: int) -> NequIP:
    """Return the model of a configuration, with the weights of the checkpoint."""
    with weight_errors("configuration"), torch.random.fork_rng(devices=[]), limit_work(n_bytes, len(tensors)):
        model = NequIP(**model_arguments(config, tensors))
        model.load_state_dict(translate_weights(model, config, tensors))
    return model.eval()


def _current_name(name: str) -> str:
    """Return the name of a tensor in files of today."""
    module, _, rest = name.partition(".")
    module = _OLD_NAMES.get(
        module, re.sub(r"^(\d+) (.*)$", lambda match: f"{match[1]}_{match[2]}", module).replace(" ", "_")
    )
    return f"{module}.{rest.replace('denumerator', 'denominator')}"
