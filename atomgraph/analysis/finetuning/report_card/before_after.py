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
        copy.model.baseline.set_e0(copy.model.baseline.e0_of(head) | dict(e0), head)
    return copy
