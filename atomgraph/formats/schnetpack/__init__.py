"""Models of schnetpack 2 (SchNet, PaiNN); no code of the file is executed, and schnetpack is not needed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from atomgraph.errors import FormatError
from atomgraph.formats.file_errors import weight_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.formats.schnetpack.architecture import model_arguments
from atomgraph.formats.schnetpack.energy_terms import EnergyTerms, FileUnits, read_energy_terms
from atomgraph.formats.schnetpack.root import find_module, recognises_root
from atomgraph.formats.schnetpack.weights import translate_weights
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.energy import EnergyModel
from atomgraph.models.painn import PaiNN
from atomgraph.models.schnet import SchNet
from atomgraph.units import ENERGY, LENGTH

MODELS: dict[str, type[SchNet | PaiNN]] = {"SchNet": SchNet, "PaiNN": PaiNN}


def read_archive(path: Path, archive: Archive, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a file of schnetpack, and metadata on its origin.

    The file contains neither units nor elements. Elements are those with an energy offset (``atomref``), or those that the user
    states. Energies and lengths are converted to eV and Å.

    Args:
        path: The file.
        archive: The records of the file.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If the file is damaged or not supported, or if units or elements are missing.
        WiringError: If the model cannot be built.
    """
    tree = find_module(archive)
    kind = _kind(tree)
    terms = read_energy_terms(tree)
    unit_names = hints.resolve_units(path, None)
    elements = _elements(path, hints, terms)
    units = FileUnits(ENERGY[unit_names["energy"]], LENGTH[unit_names["length"]])
    model = _build(kind, tree, terms, elements, units, path.stat().st_size)
    origin = {
        "format": "schnetpack",
        "file": path.name,
        "class": kind,
        "version": str(tree.attributes.get("spk_version")),
        "units": f"{unit_names['energy']}/{unit_names['length']}",
    }
    return model, {"origin": origin}


def _kind(tree: Tree) -> str:
    """Return ``SchNet`` or ``PaiNN``; FormatError for other representations."""
    representation = tree["representation"]
    if representation.kind not in MODELS or not representation.module.startswith("schnetpack.representation"):
        raise FormatError(
            f"the model has the representation {representation.module}.{representation.kind}; atomgraph reads "
            f"{' and '.join(MODELS)} of schnetpack"
        )
    return representation.kind


def _elements(path: Path, hints: FileHints, terms: EnergyTerms) -> list[str]:
    """Return the elements that the user states, or those with an offset in the file."""
    if hints.elements is None and not terms.elements:
        return hints.resolve_elements(path, None)
    elements = terms.elements if hints.elements is None else hints.elements
    missing = [symbol for symbol in elements if symbol not in terms.elements]
    if terms.elements and missing:
        warnings.warn(
            f"{path} has no energy offset (atomref) for {', '.join(missing)}, so these elements were probably not in its "
            f"training data, and their weights are then random",
            stacklevel=2,
        )
    return elements


def _build(
    kind: str, tree: Tree, terms: EnergyTerms, elements: list[str], units: FileUnits, n_bytes: int
) -> EnergyModel:
    """Return the model in the dtype of the file, with the weights of the file.

    Args:
        kind: ``SchNet`` or ``PaiNN``.
        tree: The modules of the file.
        terms: Terms of the energy.
        elements: Chemical symbols.
        units: Units of the file.
        n_bytes: Size of the file.
    """
    n_modules = sum(1 for _ in tree.walk())
    with weight_errors("architecture"), torch.random.fork_rng(devices=[]), limit_work(n_bytes, n_modules):
        model: EnergyModel = MODELS[kind](**model_arguments(tree, terms, elements, units))
        model = model.to(tree.tensor(f"{terms.readout}.outnet.0.weight").dtype)
        model.load_state_dict(translate_weights(model, tree, terms, units))
    return model.eval()


__all__ = ["read_archive", "recognises_root"]
