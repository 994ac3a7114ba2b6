"""Cluster functions and bonds for other elements: functions are linear in the density of each element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from atomgraph.featurizers.ace.functions import cluster_functions
from atomgraph.nn.element_edit import ElementEdit

Key = tuple[Any, ...]
Expanded = tuple[list[dict[str, Any]], list[list[tuple[int, float]]]]


def functions_for(entries: Sequence[Mapping[str, Any]], edit: ElementEdit) -> Expanded:
    r"""Cluster functions for other elements, and the old functions that they are parts of.

    A function is linear in each of its factors. With :math:`A_{Cu} \to A_{Cu} + A_{Au}` it becomes the sum of the functions
    with either element in each factor; equal functions count as often as they occur.

    Args:
        entries: Functions as ``featurizers.ACE`` takes them.
        edit: The new elements.

    Returns:
        Entries; and for each new element the old column of each of its functions, and how often the function occurs.
    """
    next_column: dict[str, int] = dict.fromkeys(edit.old, 0)
    result: list[dict[str, Any]] = []
    origins: list[list[tuple[int, float]]] = [[] for _ in edit.names]
    for entry in entries:
        column = next_column[entry["centre"]]
        next_column[entry["centre"]] += 1
        for centre in edit.successors(entry["centre"]):
            z = edit.names.index(centre)
            seen: dict[Key, int] = {}
            for neighbours in product(*(edit.successors(symbol) for symbol in entry["neighbours"])):
                candidate = dict(entry) | {"centre": centre, "neighbours": list(neighbours)}
                key = _content(candidate, edit.names)
                if key in seen:
                    origins[z][seen[key]] = (column, origins[z][seen[key]][1] + 1.0)
                    continue
                seen[key] = len(origins[z])
                origins[z].append((column, 1.0))
                result.append(candidate)
    return result, origins


def bonds_for(bonds: Sequence[Mapping[str, Any]] | None, edit: ElementEdit) -> list[dict[str, Any]] | None:
    """Bonds for other elements: one for each pair of successors."""
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


def _content(entry: Mapping[str, Any], names: list[str]) -> Key:
    """A function as a sum of products of factors, equal for equal functions."""
    (function,) = [f for of_element in cluster_functions([entry], names) for f in of_element]
    return tuple(sorted((factors, round(value, 10)) for factors, value in function.monomials().items()))
