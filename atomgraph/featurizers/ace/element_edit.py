"""Cluster functions and bonds for changed elements; functions are linear in the density of each element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from atomgraph.featurizers.ace.functions import cluster_functions
from atomgraph.nn.element_edit import ElementEdit

Key = tuple[Any, ...]
EntriesAndOrigins = tuple[list[dict[str, Any]], list[list[tuple[int, float]]]]


def edit_functions(entries: Sequence[Mapping[str, Any]], edit: ElementEdit) -> EntriesAndOrigins:
    r"""Make the cluster functions for changed elements, and relate them to the old functions.

    A function is linear in each of its factors. With :math:`A_{Cu} \to A_{Cu} + A_{Au}` it becomes the sum of the functions
    with either element in each factor. A function that occurs k times in the sum is one function with the factor k.

    Args:
        entries: Old functions, in the form of the argument of ``featurizers.ACE``.
        edit: Change of the elements.

    Returns:
        Entries of the new functions; and for each new element and each of its functions, the column of the old function and the
        factor k.
    """
    next_column: dict[str, int] = dict.fromkeys(edit.old_names, 0)
    result: list[dict[str, Any]] = []
    origins: list[list[tuple[int, float]]] = [[] for _ in edit.names]
    for entry in entries:
        column = next_column[entry["centre"]]
        next_column[entry["centre"]] += 1
        for centre in edit.successors(entry["centre"]):
            z = edit.names.index(centre)
            positions: dict[Key, int] = {}  # column of each new function among those of the new central element
            for neighbours in product(*(edit.successors(symbol) for symbol in entry["neighbours"])):
                candidate = dict(entry) | {"centre": centre, "neighbours": list(neighbours)}
                key = _function_key(candidate, edit.names)
                if key in positions:
                    origins[z][positions[key]] = (column, origins[z][positions[key]][1] + 1.0)
                    continue
                positions[key] = len(origins[z])
                origins[z].append((column, 1.0))
                result.append(candidate)
    return result, origins


def edit_bonds(bonds: Sequence[Mapping[str, Any]] | None, edit: ElementEdit) -> list[dict[str, Any]] | None:
    """Make the bonds for changed elements: copies of each old bond for all pairs of new elements that replace its elements."""
    if bonds is None:
        return None
    return [
        dict(bond) | {"elements": list(pair)}
        for bond in bonds
        for pair in sorted(
            {
                tuple(sorted(p, key=edit.names.index))
                for p in product(*(edit.successors(symbol) for symbol in bond["elements"]))
            }
        )
    ]


def _function_key(entry: Mapping[str, Any], names: list[str]) -> Key:
    """Return a key that is equal for equal functions: the products of a function and their coefficients."""
    (function,) = [f for element_functions in cluster_functions([entry], names) for f in element_functions]
    return tuple(sorted((factors, round(value, 10)) for factors, value in function.monomials().items()))
