"""Reads MACE's ``.model`` files, without executing anything in them and without mace-torch."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.hints import FILE_DTYPE, FileHints
from atomgraph.formats.mace.architecture import arguments_of, dtype_of, elements_of
from atomgraph.formats.mace.archive import Archive
from atomgraph.formats.mace.lora import merged
from atomgraph.formats.mace.module_tree import Tree, tree_of
from atomgraph.formats.mace.state_dict import load_weights
from atomgraph.formats.mace.unsupported import check_classes, check_root
from atomgraph.formats.work_limit import allowance
from atomgraph.models.mace import MACE

UNITS = {"energy": "eV", "length": "Å"}
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def recognises(path: Path, start: bytes) -> bool:
    """Could this be something that torch saved? A zip with torch's records in it, or the container of old versions."""
    if start.startswith(_PICKLES):
        return b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." in start  # the number that torch < 1.6 began with
    if not start.startswith(b"PK\x03\x04"):
        return False
    if b"data.pkl" in start[:256] or path.suffix == ".model":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read(path: Path, hints: FileHints) -> tuple[MACE, dict[str, Any]]:
    """The model of a MACE file, and what is known of where it comes from.

    In the file's dtype; in float64 where adapters were merged, ``FILE_DTYPE`` of the metadata then being the file's.

    Raises:
        FormatError: With advice, for everything else that torch saves, and for what is damaged.
    """
    try:
        tree = open_tree(path)
        with allowance(path.stat().st_size, sum(1 for _ in tree.walk())):
            model = model_of(tree)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    hints.settle_elements(path, model.elements)
    hints.settle_units(path, UNITS)
    origin: dict[str, Any] = {"format": "MACE", "file": path.name, "class": tree.kind}
    metadata: dict[str, Any] = {"origin": origin}
    if tree.adapters:
        origin["merged"] = f"{tree.adapters} low-rank adapters"
        metadata[FILE_DTYPE] = str(dtype_of(tree)).removeprefix("torch.")
    if not model.branches[0].layers[0].radial.differentiable:
        origin["forces"] = (
            "without the derivatives of the Chebyshev functions, as in mace-torch; not the gradient of the energy"
        )
        warnings.warn(f"{path}: its forces are {origin['forces']}", stacklevel=2)
    return model, metadata


def open_tree(path: Path) -> Tree:
    """The modules of a MACE file, adapters merged; FormatError for what is none."""
    try:
        archive = Archive(path)
        check_root(archive)
        tree = merged(tree_of(archive))
        check_classes(tree)
    except RecursionError:
        raise FormatError("its modules are nested deeper than any model's") from None
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"it may be damaged ({_in_words(error)})") from None
    return tree


def model_of(tree: Tree) -> MACE:
    """Our model with the file's numbers in it."""
    try:
        arguments = arguments_of(tree)
        with torch.random.fork_rng(devices=[]):
            model = MACE(**arguments)
        load_weights(model, tree)
    except FormatError:
        raise
    except WiringError as error:
        raise FormatError(f"it describes a model that cannot be built: {error}") from None
    except Exception as error:
        raise FormatError(f"it is no model that can be built ({_in_words(error)}); it may be damaged") from None
    return model.eval()


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


__all__ = ["dtype_of", "elements_of", "model_of", "open_tree", "read", "recognises"]
