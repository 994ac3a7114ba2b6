"""Slots of removed elements, which remain empty and add a constant to the descriptors of Deep Potential."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.nn.element_edit import ElementEdit


def removed_padding(constant: Tensor, table: Tensor, slots: Tensor, edit: ElementEdit) -> Tensor:
    """Return the constant that removed elements add to the descriptors, after a change of the elements.

    Args:
        constant: Sum over the slots of elements that were removed before, by element of the centre, (n_elements, M).
        table: Value of an empty slot by element of the centre and of the slot, (n_elements, n_elements, M).
        slots: Number of slots by element, (n_elements,).
        edit: Change of the elements.

    Returns:
        The sum over the slots of all removed elements, by new element of the centre, (n_new_elements, M).
    """
    removed = torch.tensor([float(row not in edit.rows) for row in range(len(slots))])
    added = torch.einsum("t,ctm->cm", (slots * removed.to(slots)).to(table), table)
    return (constant + added)[edit.rows].detach()
