"""Symmetry functions for other elements: entries are dropped or repeated, and columns follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers.symmetry_functions.sets import AngularFunction, RadialFunction
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns

Functions = Sequence[Sequence[RadialFunction | AngularFunction]]


def entries_for(entries: Sequence[Mapping[str, Any]] | None, edit: ElementEdit) -> list[dict[str, Any]] | None:
    """Entries of a set for other elements: without those of removed elements, one for each successor of the others."""
    if entries is None:
        return None
    result: list[dict[str, Any]] = []
    for entry in entries:
        keys = [key for key in ("centre", "neighbour") if entry.get(key) is not None]
        pair = entry.get("neighbours")
        choices = [edit.successors(entry[key]) for key in keys]
        choices += [] if pair is None else [edit.successors(symbol) for symbol in pair]
        seen = set()
        for symbols in product(*choices):
            both = tuple(sorted(symbols[len(keys) :]))
            if (symbols[: len(keys)], both) in seen:
                continue
            seen.add((symbols[: len(keys)], both))
            changed = dict(zip(keys, symbols, strict=False)) | ({} if pair is None else {"neighbours": list(both)})
            result.append(dict(entry) | changed)
    return result


def function_columns(old: Functions, new: Functions, width: int, n_old: int, edit: ElementEdit) -> FeatureColumns:
    """The column of the old functions that each new function is a part of.

    Args:
        old: Functions of each old element.
        new: Functions of each new element.
        width: Columns of the new features.
        n_old: Columns of the old features.
        edit: The new elements.

    Raises:
        WiringError: For an old set with two equal functions, whose columns cannot be told apart.
    """

    def before(function: RadialFunction | AngularFunction) -> RadialFunction | AngularFunction:
        if isinstance(function, RadialFunction):
            return replace(function, neighbour=edit.rows[function.neighbour])
        low, high = sorted(edit.rows[row] for row in function.pair)
        return replace(function, pair=(low, high))

    origins = []
    for functions, row in zip(new, edit.rows, strict=True):
        known = list(old[row])
        if len(set(known)) != len(known):
            raise WiringError("the same symmetry function stands twice; elements of such a set cannot be edited")
        columns = [known.index(before(function)) for function in functions]
        origins.append([(column, 1.0) for column in columns] + [(-1, 0.0)] * (width - len(columns)))
    return FeatureColumns(origins, torch.zeros(len(edit.rows), n_old, dtype=torch.float64))
