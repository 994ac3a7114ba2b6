"""Functions of atoms that differ between elements, each applied once to all atoms of its element."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def apply_by_element(functions: Sequence[Callable[[Tensor], Tensor]], x: Tensor, element: Tensor) -> Tensor:
    """Apply the function of each atom's element.

    Args:
        functions: Function of each element, (n, n_in) to (n, n_out).
        x: Inputs, (n_atoms, n_in).
        element: Row of each atom's element, (n_atoms,).

    Returns:
        Outputs, (n_atoms, n_out).
    """
    order = torch.argsort(element, stable=True)
    inputs = x.index_select(0, order).split(torch.bincount(element, minlength=len(functions)).tolist())
    outputs = [function(rows) for function, rows in zip(functions, inputs, strict=True) if len(rows)]
    return torch.cat(outputs).index_select(0, torch.argsort(order))
