"""Replayed structures, with labels of their files or predictions of the starting potential."""

from __future__ import annotations

from collections.abc import Sequence

import ase
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy import isfinite

from atomgraph.config.finetune_schema import Replay
from atomgraph.config.in_memory import files_or_structures
from atomgraph.data import read
from atomgraph.data.frame_names import frame_name
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential


def replay_frames(replay: Replay, foundation: Potential, head: str, required: Sequence[str]) -> list[ase.Atoms]:
    """The structures of a replay set with their labels.

    Args:
        replay: The section ``replay``.
        foundation: The starting potential, for ``labels: predicted``.
        head: The head of the structures.
        required: The properties that are trained.

    Raises:
        DataError: For an empty set, or for missing labels that are not predicted.
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
        raise DataError("replay.data holds no structure")
    if replay.labels == "predicted":
        return _predicted(frames, foundation, head)
    for number, atoms in enumerate(frames):
        if not set(required) & set(get_labels(atoms)):
            raise DataError(
                f"replay.data: {frame_name(atoms, number)} has no label of {', '.join(required)}; name their keys "
                f"(replay.keys), or let the starting potential predict them (replay.labels: predicted)"
            )
    return frames


def _predicted(frames: Sequence[ase.Atoms], foundation: Potential, head: str) -> list[ase.Atoms]:
    before, foundation.head = foundation.head, head
    try:
        numbers = foundation.predict(frames)
    finally:
        foundation.head = before
    labelled = []
    for atoms, prediction in zip(frames, numbers, strict=True):
        atoms = atoms.copy()
        labels = {"energy": prediction["energy"], "forces": prediction["forces"]}
        if isfinite(prediction["stress"]).all():
            labels["stress"] = full_3x3_to_voigt_6_stress(prediction["stress"])
        atoms.calc = SinglePointCalculator(atoms, **labels)
        labelled.append(atoms)
    return labelled
