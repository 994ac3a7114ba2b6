"""Terms of the energy of a schnetpack model: readout, repulsion, and offsets of elements."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

from ase.data import chemical_symbols

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree

_CASTS = ("CastMap", "CastTo32", "CastTo64")  # postprocessors that only change the dtype
_INPUTS = ("PairwiseDistances", "Strain")  # input modules without effect on the energy
_AGGREGATIONS = {"sum": "sum", "avg": "mean"}  # mode in the file: mode in atomgraph


class FileUnits(NamedTuple):
    """Units of a file: energy, eV, and length, Å."""

    energy: float
    length: float


@dataclass
class EnergyTerms:
    """Terms of the energy, in the units of the file.

    Attributes:
        readout: Path of the module of the readout.
        aggregation: ``sum`` or ``mean`` over atoms.
        repulsion: Path of the module of the repulsion; None without repulsion.
        mean: Energy that each atom has in addition; for ``mean``, energy that the structure has in addition.
        offsets: Energies of elements by chemical symbol, without those that are 0.
        extensive: Whether the offsets of the atoms are added; False: their mean is added.
        elements: Elements in the table of offsets of the file, also if the offsets are not added.
    """

    readout: str
    aggregation: str
    repulsion: str | None
    mean: float = 0.0
    offsets: dict[str, float] = field(default_factory=dict)
    extensive: bool = True
    elements: list[str] = field(default_factory=list)


def read_energy_terms(tree: Tree) -> EnergyTerms:
    """Return the terms of the energy of a model.

    Raises:
        FormatError: If the energy has a term that is not supported.
    """
    for path, module in _children(tree, "input_modules"):
        if module.kind not in _INPUTS:
            raise FormatError(f"the module {path} is a {module.kind}, whose effect on the energy is not supported")
    key, terms = _find_terms(tree)
    readout = [path for path in terms if tree[path].kind == "Atomwise"]
    repulsion = [path for path in terms if tree[path].kind == "ZBLRepulsionEnergy"]
    if len(readout) != 1 or len(repulsion) > 1:
        raise FormatError(
            f"the energy {key!r} should be the sum of one Atomwise and at most one ZBLRepulsionEnergy, but its terms are "
            f"{', '.join(tree[path].kind for path in terms)}"
        )
    mode = tree[readout[0]].attributes.get("aggregation_mode")
    if mode not in _AGGREGATIONS or tree[readout[0]].attributes.get("n_out") != 1:
        raise FormatError(
            f"the energy should be the sum or the mean (avg) of one number per atom, but has the mode {mode!r}"
        )
    result = EnergyTerms(readout[0], _AGGREGATIONS[mode], repulsion[0] if repulsion else None)
    _add_offsets(result, tree, key)
    return result


def _children(tree: Tree, name: str) -> list[tuple[str, Tree]]:
    """Return path and module of each submodule of a list of modules; empty if the list does not exist."""
    module = tree.get(name)
    return [] if module is None else [(f"{name}.{key}", child) for key, child in module.children.items()]


def _find_terms(tree: Tree) -> tuple[str, list[str]]:
    """Return the key of the energy, and the paths of the modules whose outputs are its terms."""
    outputs: dict[str, tuple[str, Tree]] = {}  # path and module by the key of the output
    key = None
    for path, module in _children(tree, "output_modules"):
        if module.kind in ("Atomwise", "ZBLRepulsionEnergy", "Aggregation"):
            outputs[module.attribute("output_key", str)] = path, module
        elif module.kind in ("Forces", "Response"):
            unread = set(module.attributes.get("response_properties") or ()) - {"forces", "stress"}
            if unread:
                raise FormatError(
                    f"the module {path} predicts {', '.join(map(str, unread))}, which atomgraph does not read"
                )
            key = module.attribute("energy_key", str)
        else:
            raise FormatError(
                f"the module {path} is a {module.kind}, which is not read; atomgraph reads energies (Atomwise, "
                "ZBLRepulsionEnergy, Aggregation) and their derivatives (Forces)"
            )
    if key is None:
        key = "energy" if "energy" in outputs else next(reversed(outputs), "energy")
    if key not in outputs:
        raise FormatError(f"the model has no output {key!r}, of which the forces would be the derivatives")
    path, module = outputs[key]
    if module.kind != "Aggregation":
        return key, [path]
    keys = module.attribute("keys", list, tuple)
    unknown = [name for name in keys if name not in outputs or outputs[name][1].kind == "Aggregation"]
    if unknown:
        raise FormatError(f"the energy {key!r} is a sum with the terms {unknown}, which no module of the file predicts")
    return key, [outputs[name][0] for name in keys]


def _add_offsets(terms: EnergyTerms, tree: Tree, key: str) -> None:
    """Set mean, offsets and elements from the postprocessors of the file."""
    are_added = tree.attributes.get("do_postprocessing") is not False
    for path, module in _children(tree, "postprocessors"):
        if module.kind in _CASTS:
            continue
        if module.kind != "AddOffsets":
            raise FormatError(
                f"the postprocessor {path} is a {module.kind}, which is not read; atomgraph reads AddOffsets"
            )
        if module.attributes.get("_property") == key:
            _add_module_offsets(terms, module, path, are_added)


def _add_module_offsets(terms: EnergyTerms, module: Tree, path: str, are_added: bool) -> None:
    """Set mean, offsets and elements from one ``AddOffsets``."""
    if terms.mean or terms.elements:
        raise FormatError(f"the postprocessor {path} is a second AddOffsets of the energy; only one is read")
    table = module.tensor("atomref").double().flatten().tolist()
    symbols = chemical_symbols[1 : len(table)]
    offsets = {symbol: value for symbol, value in zip(symbols, table[1:], strict=False) if value != 0}
    terms.elements = list(offsets)
    adds_mean, adds_offsets = module.attribute("add_mean", bool), module.attribute("add_atomrefs", bool)
    if not are_added and (adds_mean or adds_offsets):
        warnings.warn(
            "the file was saved with do_postprocessing: False; its energies are without the offsets of elements, as in "
            "schnetpack",
            stacklevel=2,
        )
        return
    terms.extensive = module.attribute("is_extensive", bool)
    if not terms.extensive and terms.aggregation == "sum" and (adds_mean or adds_offsets):
        raise FormatError(
            f"the postprocessor {path} adds a mean over atoms (is_extensive: False) to a sum, which is not read"
        )
    terms.mean = float(module.tensor("mean").double().sum()) if adds_mean else 0.0
    terms.offsets = offsets if adds_offsets else {}
