"""ACE's elements: cluster functions by element, which are linear in the density of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from atomgraph.editing.element_data import baseline_for
from atomgraph.editing.transfer import without_rng
from atomgraph.featurizers.ace.functions import cluster_functions, pacemaker_functions
from atomgraph.models.ace import ACE

Key = tuple[Any, ...]


def of_ace(model: ACE, names: list[str], rows: list[int]) -> tuple[ACE, dict[str, Tensor]]:
    r"""The model for other elements, and the numbers of it that differ; see ``equivariant.of_mace``.

    A function is linear in each of its factors, so with :math:`A_{Cu} \to A_{Cu} + A_{Au}` it becomes the sum of the
    functions with either element in the place of each factor; equal ones count as often as they occur.
    """
    old, arguments = model.elements, model.arguments
    entries = arguments["functions"] or pacemaker_functions(old, arguments["n_max"], arguments["l_max"])
    now = {symbol: [n for n, row in zip(names, rows, strict=True) if old[row] == symbol] for symbol in old}
    made, origin = _expanded(entries, old, names, rows, now)
    bonds = arguments["bonds"]
    if bonds is not None:
        bonds = [
            dict(bond) | {"elements": list(pair)}
            for bond in bonds
            for pair in sorted(
                {tuple(sorted(p, key=names.index)) for p in product(*(now[s] for s in bond["elements"]))}
            )
        ]
    old_bonds = model.branches[0].featurizer.bonds
    changed = {
        "elements": names,
        "functions": made,
        "bonds": bonds,
        "n_radial": old_bonds.n_radial,
        "baseline": baseline_for(model, names, rows),
    }
    new = without_rng(ACE, **(arguments | changed))
    new_bonds, readout = new.branches[0].featurizer.bonds, new.branches[0].readouts[0]
    coefficient = torch.empty_like(new_bonds.coefficient, dtype=old_bonds.coefficient.dtype)
    for a, b in product(range(len(names)), repeat=2):
        if (number := int(new_bonds._of_pair[a, b])) >= 0:
            before = old_bonds.coefficient.detach()[int(old_bonds._of_pair[rows[a], rows[b]])]
            coefficient[number] = before[: new_bonds.n_max, : new_bonds.l_max + 1]
    known = model.branches[0].readouts[0].weight.detach()
    weight = torch.zeros(readout.weight.shape, dtype=known.dtype)
    for z, columns in enumerate(origin):
        for place, (column, times) in enumerate(columns):
            weight[z, place] = times * known[rows[z], column]
    return new, {"branches.0.featurizer.bonds.coefficient": coefficient, "branches.0.readouts.0.weight": weight}


def _expanded(
    entries: Sequence[Mapping[str, Any]], old: list[str], names: list[str], rows: list[int], now: dict[str, list[str]]
) -> tuple[list[dict[str, Any]], list[list[tuple[int, float]]]]:
    """Entries for the new elements; and for each new element the old column of each of its functions, and how often."""
    column_of: dict[str, int] = dict.fromkeys(old, 0)
    made: list[dict[str, Any]] = []
    origin: list[list[tuple[int, float]]] = [[] for _ in names]
    for entry in entries:
        column = column_of[entry["centre"]]
        column_of[entry["centre"]] += 1
        for centre in now[entry["centre"]]:
            z = names.index(centre)
            seen: dict[Key, int] = {}
            for chosen in product(*(now[symbol] for symbol in entry["neighbours"])):
                candidate = dict(entry) | {"centre": centre, "neighbours": list(chosen)}
                key = _content(candidate, names)
                if key in seen:
                    place = seen[key]
                    origin[z][place] = (column, origin[z][place][1] + 1.0)
                    continue
                seen[key] = len(origin[z])
                origin[z].append((column, 1.0))
                made.append(candidate)
    return made, origin


def _content(entry: Mapping[str, Any], names: list[str]) -> Key:
    """What a function is, as a sum of products of factors."""
    (function,) = [f for of_one in cluster_functions([entry], names) for f in of_one]
    return tuple(sorted((factors, round(value, 10)) for factors, value in function.monomials().items()))
