"""Copy of a potential with a chosen head, for the comparison before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from atomgraph.potential import Potential


def copy_with_head(potential: Potential, head: str, e0: Mapping[str, float] | None = None) -> Potential:
    """Return a copy of a potential in evaluation mode, with a chosen head.

    Args:
        potential: The potential.
        head: Name of the head.
        e0: Energies of isolated atoms for this head, by chemical symbol, eV; None to keep the present ones. With the E0 of the
            source, energies of source structures can be compared with their labels after E0 was changed for the target.
    """
    copy = deepcopy(potential).eval()
    copy.head = head
    if e0 is not None:
        copy.model.baseline.set_e0(copy.model.baseline.e0_of(head) | dict(e0), head)
    return copy
