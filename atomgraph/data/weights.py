"""Weights that stand in the files: of whole structures, and of their energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ase
import numpy as np

from atomgraph.data.naming import name_of
from atomgraph.errors import DataError, nearest
from atomgraph.graph.structure import WEIGHED, AtomicGraph

WHAT = ("all", *WEIGHED)


def weigh_by_keys(graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms], keys: Mapping[str, str]) -> None:
    """Multiply the weights of graphs by those in ``info`` of their frames.

    Args:
        graphs: Of the frames, in their order; changed in place.
        frames: Structures with weights in ``info``.
        keys: Names of weights, ``{all: config_weight, energy: energy_weight, forces: force_weight, stress: ...}``.

    Raises:
        DataError: For a key that no frame carries, and for weights that are not numbers from zero on.
    """
    for what, key in keys.items():
        if what not in WHAT:
            raise DataError(f"unknown entry {what!r} in weight_keys{nearest(what, WHAT)}")
        if not any(key in atoms.info for atoms in frames):
            known = sorted({str(name) for atoms in frames for name in atoms.info})
            raise DataError(
                f"no frame carries the key {key!r} that is configured for weights of {what}; the info keys are "
                f"{', '.join(known) or 'none'}"
            )
        for number, (graph, atoms) in enumerate(zip(graphs, frames, strict=True)):
            if key not in atoms.info:
                continue
            weight = _weight(atoms.info[key])
            if weight is None:
                raise DataError(
                    f"{name_of(atoms, number)}: {key} should be a number from zero on, but is {str(atoms.info[key])[:40]!r}"
                )
            if what == "all":
                graph.weight = graph.weight * weight
            else:
                factors = graph.label_weights.clone()
                factors[:, WEIGHED.index(what)] *= weight
                graph.label_weights = factors


def _weight(value: Any) -> float | None:
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number >= 0 else None
