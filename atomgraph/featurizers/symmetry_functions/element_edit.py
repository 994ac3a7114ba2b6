"""Symmetry functions for changed elements: entries are dropped or repeated, and the columns are related."""

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


def edit_entries(entries: Sequence[Mapping[str, Any]] | None, edit: ElementEdit) -> list[dict[str, Any]] | None:
    """Make the entries of a set for changed elements.

    Entries of removed elements are dropped. Other entries are repeated for all new elements that replace their elements.
    """
    if entries is None:
        return None
    result: list[dict[str, Any]] = []
    for entry in entries:
        keys = [key for key in ("centre", "neighbour") if entry.get(key) is not None]
        pair = entry.get("neighbours")
        choices = [edit.successors(entry[key]) for key in keys]
        choices += [] if pair is None else [edit.successors(symbol) for symbol in pair]
        finished = set()
        for symbols in product(*choices):
            neighbours = tuple(sorted(symbols[len(keys) :]))
            if (symbols[: len(keys)], neighbours) in finished:
                continue
            finished.add((symbols[: len(keys)], neighbours))
            changes = dict(zip(keys, symbols, strict=False)) | (
                {} if pair is None else {"neighbours": list(neighbours)}
            )
            result.append(dict(entry) | changes)
    return result


def function_columns(
    old_functions: Functions, new_functions: Functions, n_new_columns: int, n_old_columns: int, edit: ElementEdit
) -> FeatureColumns:
    """Find the column of the old function of which each new function is a part.

    Args:
        old_functions: Functions of each old element.
        new_functions: Functions of each new element.
        n_new_columns: Number of columns of the new features.
        n_old_columns: Number of columns of the old features.
        edit: Change of the elements.

    Raises:
        WiringError: If an old set contains two equal functions, because their columns cannot be distinguished.
    """

    def old_function(function: RadialFunction | AngularFunction) -> RadialFunction | AngularFunction:
        if isinstance(function, RadialFunction):
            return replace(function, neighbour=edit.rows[function.neighbour])
        low, high = sorted(edit.rows[row] for row in function.pair)
        return replace(function, pair=(low, high))

    origins = []
    for functions, row in zip(new_functions, edit.rows, strict=True):
        candidates = list(old_functions[row])
        if len(set(candidates)) != len(candidates):
            raise WiringError("a set contains the same symmetry function twice, so its elements cannot be edited")
        columns = [candidates.index(old_function(function)) for function in functions]
        # −1: zero columns of elements with fewer functions have no old column
        origins.append([(column, 1.0) for column in columns] + [(-1, 0.0)] * (n_new_columns - len(columns)))
    return FeatureColumns(origins, torch.zeros(len(edit.rows), n_old_columns, dtype=torch.float64))
