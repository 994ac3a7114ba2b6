"""Warning for structures whose E0 was not determined by the data of a fine-tuning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import ase

from atomgraph.data.e0_shift import EnergyShift
from atomgraph.potential import Potential

MAX_SHOWN = 4  # maximum number of formulas in the warning


def warn_undetermined_e0(potential: Potential, frames: Sequence[ase.Atoms]) -> None:
    """Warn if E0 of the chosen head was estimated from data that do not determine it for some structures.

    Args:
        potential: The potential; its metadata contain the record of the estimate.
        frames: Structures to be evaluated.
    """
    record = potential.metadata.get("e0_shift", {}).get(str(potential.head))
    if record is None:
        return
    shift = EnergyShift.from_json(record)
    formulas = shift.undetermined_formulas(frames)
    if formulas:
        more = f" and {len(formulas) - MAX_SHOWN} more" if len(formulas) > MAX_SHOWN else ""
        warnings.warn(
            f"E0 of the head {potential.head!r} was estimated from structures that determine "
            f"{shift.describe_undetermined()}; total energies "
            f"of {', '.join(formulas[:MAX_SHOWN])}{more} cannot be compared with those of other compositions (forces can)",
            UserWarning,
            stacklevel=2,
        )
