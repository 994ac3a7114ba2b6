"""Weights that stand in the files: of whole structures, and of their energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ase
import numpy as np

from atomgraph.data.frame_names import name_of
from atomgraph.data.labels import places_of
from atomgraph.errors import DataError, nearest
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.structure import AtomicGraph


def weigh_by_keys(graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms], keys: Mapping[str, str]) -> None:
    """Multiply the weights of graphs by those that their frames carry.

    Args:
        graphs: Of the frames, in their order; changed in place.
        frames: Structures with weights in ``info``, or in what an ASE data base keeps beside them.
        keys: Names of weights, ``{all: config_weight, energy: energy_weight, forces: force_weight, stress: ...}``.

    Raises:
        DataError: For a key that no frame carries, and for weights that are not numbers from zero on.
    """
    for what, key in keys.items():
        known = ("all", *QUANTITIES)
        if what not in known:
            raise DataError(f"unknown entry {what!r} in weight_keys{nearest(what, known)}")
        values = [_found(atoms, key) for atoms in frames]
        if all(value is None for value in values):
            present = sorted({str(name) for atoms in frames for place in places_of(atoms) for name in place})
            raise DataError(
                f"no frame carries the key {key!r} that is configured for weights of {what}; keys there are "
                f"{', '.join(present) or 'none'}"
            )
        for number, (graph, value) in enumerate(zip(graphs, values, strict=True)):
            if value is None:
                continue
            weight = _weight(value)
            if weight is None:
                raise DataError(
                    f"{name_of(frames[number], number)}: {key} should be a number from zero on, but is {str(value)[:40]!r}"
                )
            if what == "all":
                graph.weight = graph.weight * weight
            else:
                factors = graph.label_weights.clone()
                factors[:, column_index(what)] *= weight
                graph.label_weights = factors


def require_weight(graphs: Sequence[AtomicGraph], labels: Iterable[str] | None = None) -> None:
    """DataError where no label that is fitted weighs anything in any structure.

    Args:
        graphs: The training part.
        labels: Quantities that are fitted; all of them if None.
    """
    labels, labelled = list(QUANTITIES if labels is None else labels), False
    for graph in graphs:
        for label in labels:
            if bool(getattr(graph, f"{label}_mask").any()):
                labelled = True
                if bool((graph.loss_weight(label) > 0).any()):
                    return
    if labelled:
        raise DataError(
            f"all weights of {', '.join(labels)} are zero in all {len(graphs)} training structures: nothing would be fitted. "
            f"Weights come from data.weights (by configuration type) and data.weight_keys (from the files)"
        )


def _found(atoms: ase.Atoms, key: str) -> Any:
    """What a frame carries under a key; None for nothing."""
    return next((place[key] for place in places_of(atoms) if place.get(key) is not None), None)


def _weight(value: Any) -> float | None:
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number >= 0 else None
