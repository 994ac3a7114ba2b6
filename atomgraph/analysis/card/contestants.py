"""The two that a report card compares: a potential before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from atomgraph.potential import Potential


def with_head(potential: Potential, head: str, e0: Mapping[str, float] | None = None) -> Potential:
    """A copy that predicts with a head, in evaluation mode; with other energies of free atoms (eV) where they are given.

    So a source's energies can be compared with its labels after E0 was moved to those of the target.
    """
    copy = deepcopy(potential).eval()
    copy.head = head
    if e0 is not None:
        copy.model.baseline.set_e0(e0_of(copy, head) | dict(e0), head)
    return copy


def e0_of(potential: Potential, head: str) -> dict[str, float]:
    """E0 of a head by chemical symbol, eV."""
    row = potential.model.baseline.e0[potential.heads.index(head)]
    return dict(zip(potential.elements, row.tolist(), strict=True))
