"""Reader of MACE's ``.model`` files; no code of the file is executed, and mace-torch is not needed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.hints import FILE_DTYPE, FileHints
from atomgraph.formats.mace.architecture import model_arguments, read_elements, weight_dtype
from atomgraph.formats.mace.lora import merge_adapters
from atomgraph.formats.mace.state_dict import load_weights
from atomgraph.formats.mace.unsupported import check_classes, check_root
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.module_tree import Tree, build_tree
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.mace import MACE
from atomgraph.old_names import old_names_of

UNITS = {"energy": "eV", "length": "Å"}


def read(path: Path, hints: FileHints) -> tuple[MACE, dict[str, Any]]:
    """Return the model of a MACE file, and metadata on its origin.

    The model has the dtype of the file. If adapters were merged, it is in float64, and the metadata contain the dtype of the
    file as ``FILE_DTYPE``.

    Args:
        path: The file.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If the file is damaged, or contains anything but a supported MACE model.
    """
    try:
        tree = read_tree(path)
        with limit_work(path.stat().st_size, sum(1 for _ in tree.walk())):
            model = build_model(tree)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    hints.resolve_elements(path, model.elements)
    hints.resolve_units(path, UNITS)
    origin: dict[str, Any] = {"format": "MACE", "file": path.name, "class": tree.kind}
    metadata: dict[str, Any] = {"origin": origin}
    if tree.adapters:
        origin["merged"] = f"{tree.adapters} low-rank adapters"
        metadata[FILE_DTYPE] = str(weight_dtype(tree)).removeprefix("torch.")
    if not model.branches[0].layers[0].radial.differentiable:
        origin["forces"] = (
            "without the derivatives of the Chebyshev functions, as in mace-torch; not the gradient of the energy"
        )
        warnings.warn(f"{path}: the forces of this model are {origin['forces']}", stacklevel=2)
    return model, metadata


def read_tree(path: Path) -> Tree:
    """Return the modules of a MACE file, with merged adapters; FormatError if it is not a supported MACE model."""
    try:
        archive = Archive(path)
        check_root(archive)
        tree = merge_adapters(build_tree(archive))
        check_classes(tree)
    except RecursionError:
        raise FormatError("the modules are nested deeper than in any model") from None
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"the file may be damaged ({_describe(error)})") from None
    return tree


def build_model(tree: Tree) -> MACE:
    """Return atomgraph's model with the weights of the file; FormatError if it cannot be built."""
    try:
        arguments = model_arguments(tree)
        with torch.random.fork_rng(devices=[]):
            model = MACE(**arguments)
        load_weights(model, tree)
    except FormatError:
        raise
    except WiringError as error:
        raise FormatError(f"the file describes a model that cannot be built: {error}") from None
    except Exception as error:
        raise FormatError(f"the model cannot be built ({_describe(error)}); the file may be damaged") from None
    return model.eval()


def _describe(error: Exception) -> str:
    """Return the type and the first 200 characters of the message of an error, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


__all__ = ["build_model", "read", "read_elements", "read_tree", "weight_dtype"]

__getattr__ = old_names_of(__name__)
