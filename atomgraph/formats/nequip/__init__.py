"""Checkpoints and packages of nequip and nequip-allegro; no code of the file is executed, and neither program is needed.

``read_archive`` reads checkpoints, and ``read`` reads packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.file_errors import file_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.nequip.allegro_model import build_allegro
from atomgraph.formats.nequip.checkpoint import checkpoint_config, checkpoint_weights
from atomgraph.formats.nequip.nequip_model import build_nequip
from atomgraph.formats.nequip.package import PackageArchive, read_package
from atomgraph.formats.pickled.archive import ZIP_START, Archive, has_record
from atomgraph.formats.pickled.decode import ValueDecoder, text_entries
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.energy import EnergyModel

UNITS = {"energy": "eV", "length": "Å"}
_BUILDERS = {
    **dict.fromkeys(("NequIPGNNModel", "FullNequIPGNNModel", "PresetNequIPGNNModel"), build_nequip),
    **dict.fromkeys(("AllegroModel", "FullAllegroModel"), build_allegro),
}


def recognises_root(root: Any) -> bool:
    """Return whether the root of an archive is a Lightning checkpoint of nequip."""
    return any(
        name.startswith("model.") and (".model.func." in name or name.endswith("model._empty"))
        for name in text_entries(text_entries(root).get("state_dict"))
    )


def read_archive(path: Path, archive: Archive, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a checkpoint, and metadata on its origin.

    Raises:
        FormatError: If the checkpoint is damaged, or its model is not supported.
    """
    checkpoint = ValueDecoder(archive.tensor)(archive.root)
    config = checkpoint_config(checkpoint)
    model = build_model(config, checkpoint_weights(checkpoint, config), path.stat().st_size)
    hints.resolve_elements(path, model.elements)
    hints.resolve_units(path, UNITS)
    return model, {"origin": {"format": "nequip", "file": path.name, "class": type(model).__name__}}


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file is a package of nequip."""
    return start.startswith(ZIP_START) and has_record(path, f"/{PackageArchive.PICKLE}")


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a package, and metadata on its origin.

    Raises:
        FormatError: If the package is damaged, or its model is not supported.
    """
    with file_errors(path):
        config, tensors = read_package(path)
        model = build_model(config, tensors, path.stat().st_size)
    hints.resolve_elements(path, model.elements)
    hints.resolve_units(path, UNITS)
    return model, {"origin": {"format": "nequip package", "file": path.name, "class": type(model).__name__}}


def build_model(config: Mapping[str, Any], tensors: Mapping[str, Tensor], n_bytes: int) -> EnergyModel:
    """Return the model of a builder of nequip or nequip-allegro.

    Args:
        config: Arguments of the builder, with its name under ``_target_``.
        tensors: State dict of the model.
        n_bytes: Size of the file.

    Raises:
        FormatError: If the builder or an argument is not supported, or a tensor does not fit.
        WiringError: If the model cannot be built.
    """
    target = str(config.get("_target_")).rpartition(".")[2]
    if target not in _BUILDERS:
        raise FormatError(f"the model was built by {target[:60]!r}, but atomgraph reads {', '.join(_BUILDERS)}")
    arguments = {name: value for name, value in config.items() if name != "_target_"}
    with torch.random.fork_rng(devices=[]), limit_work(n_bytes, len(tensors)):
        return _BUILDERS[target](arguments, tensors).eval()
