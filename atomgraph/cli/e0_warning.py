"""A warning for compositions whose E0 was not determined in fine-tuning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import ase

from atomgraph.data.e0_shift import EnergyShift
from atomgraph.potential import Potential

SHOWN = 4  # formulas


def warn_undetermined_e0(potential: Potential, frames: Sequence[ase.Atoms]) -> None:
    """Warn if E0 of the chosen head was estimated and is undetermined for some of the structures."""
    record = potential.metadata.get("e0_shift", {}).get(str(potential.head))
    if record is None:
        return
    shift = EnergyShift.from_json(record)
    formulas = shift.undetermined_formulas(frames)
    if formulas:
        more = f" and {len(formulas) - SHOWN} more" if len(formulas) > SHOWN else ""
        warnings.warn(
            f"E0 of the head {potential.head!r} was estimated from structures that determine "
            f"{shift.describe_undetermined()}; total energies "
            f"of {', '.join(formulas[:SHOWN])}{more} cannot be compared with those of other compositions (forces can)",
            UserWarning,
            stacklevel=2,
        )
