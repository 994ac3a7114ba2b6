"""Replayed structures, with labels from files or labels predicted by the starting potential."""

from __future__ import annotations

from collections.abc import Sequence

import ase
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy import isfinite

from atomgraph.config.finetune_schema import ReplaySection
from atomgraph.config.in_memory import files_or_structures
from atomgraph.data import read
from atomgraph.data.frame_names import frame_name
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential


def replay_frames(replay: ReplaySection, foundation: Potential, head: str, required: Sequence[str]) -> list[ase.Atoms]:
    """Read the replayed structures with their labels.

    Args:
        replay: The section ``replay``.
        foundation: The starting potential, for ``labels: predicted``.
        head: Name of the head that predicts labels.
        required: Names of the trained properties.

    Raises:
        DataError: If there are no structures, or a structure has no label of the trained properties.
    """
    frames = read(
        files_or_structures(replay, "data"),
        keys=replay.keys,
        units=replay.units,
        types=replay.types,
        format=replay.format,
        labels=replay.labels != "predicted",
    )
    if not frames:
        raise DataError("replay.data contains no structures")
    if replay.labels == "predicted":
        return _predict_labels(frames, foundation, head)
    for number, atoms in enumerate(frames):
        if not set(required) & set(get_labels(atoms)):
            raise DataError(
                f"replay.data: {frame_name(atoms, number)} has no label of {', '.join(required)}; name their keys "
                f"(replay.keys), or let the starting potential predict them (replay.labels: predicted)"
            )
    return frames


def _predict_labels(frames: Sequence[ase.Atoms], foundation: Potential, head: str) -> list[ase.Atoms]:
    """Return copies of frames with predictions of a head as labels."""
    previous_head, foundation.head = foundation.head, head
    try:
        predictions = foundation.predict(frames)
    finally:
        foundation.head = previous_head
    labelled = []
    for atoms, prediction in zip(frames, predictions, strict=True):
        atoms = atoms.copy()
        labels = {"energy": prediction["energy"], "forces": prediction["forces"]}
        if isfinite(prediction["stress"]).all():
            labels["stress"] = full_3x3_to_voigt_6_stress(prediction["stress"])
        atoms.calc = SinglePointCalculator(atoms, **labels)
        labelled.append(atoms)
    return labelled
