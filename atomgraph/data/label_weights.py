"""Weights from data files: of structures, and of their energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ase
import numpy as np

from atomgraph.data.frame_names import frame_name
from atomgraph.data.labels import label_sources
from atomgraph.errors import DataError, nearest
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of


def apply_weight_keys(graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms], keys: Mapping[str, str]) -> None:
    """Multiply the weights of graphs by the weights in their frames.

    Args:
        graphs: Graphs of the frames, in the same order; changed in place.
        frames: Structures with weights in ``info``, or in the key-value pairs of an ASE data base.
        keys: Keys of weights, ``{all: config_weight, energy: energy_weight, forces: force_weight, stress: ...}``.

    Raises:
        DataError: If no frame has a key, or a weight is not a number of at least zero.
    """
    for target, key in keys.items():
        targets = ("all", *QUANTITIES)
        if target not in targets:
            raise DataError(f"unknown entry {target!r} in weight_keys{nearest(target, targets)}")
        values = [_find_value(atoms, key) for atoms in frames]
        if all(value is None for value in values):
            present_keys = sorted({str(name) for atoms in frames for source in label_sources(atoms) for name in source})
            raise DataError(
                f"no frame has the key {key!r} that is configured for weights of {target}; the keys of the frames are "
                f"{', '.join(present_keys) or 'none'}"
            )
        for number, (graph, value) in enumerate(zip(graphs, values, strict=True)):
            if value is None:
                continue
            weight = _weight(value)
            if weight is None:
                raise DataError(
                    f"{frame_name(frames[number], number)}: {key} should be a number of at least zero, but is "
                    f"{str(value)[:40]!r}"
                )
            if target == "all":
                graph.weight = graph.weight * weight
            else:
                label_weights = graph.label_weights.clone()
                label_weights[:, column_index(target)] *= weight
                graph.label_weights = label_weights


def require_weight(graphs: Sequence[AtomicGraph], labels: Iterable[str] | None = None) -> None:
    """Check that at least one fitted label of the training structures has a positive weight.

    Args:
        graphs: Training structures.
        labels: Names of the fitted quantities; all quantities if None.

    Raises:
        DataError: If all weights are zero.
    """
    labels, has_labels = list(QUANTITIES if labels is None else labels), False
    for graph in graphs:
        for label in labels:
            if bool(getattr(graph, f"{label}_mask").any()):
                has_labels = True
                if bool((graph.loss_weight(label) > 0).any()):
                    return
    if has_labels:
        raise DataError(
            f"all weights of {', '.join(labels)} are zero in all {len(graphs)} training structures: nothing would be fitted. "
            f"Weights come from data.weights (by configuration type) and data.weight_keys (from the files)"
        )


def _find_value(atoms: ase.Atoms, key: str) -> Any:
    """Return the value of a key of a frame; None if the frame does not have the key."""
    return next((source[key] for source in label_sources(atoms) if source.get(key) is not None), None)


def _weight(value: Any) -> float | None:
    """Return the weight as a float; None if the value is not a number of at least zero."""
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number >= 0 else None


__getattr__ = old_names_of(__name__)
