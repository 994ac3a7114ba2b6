"""Splits of a data set into training, validation and test structures, reproducible and recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, TypeVar

import ase

from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError

PARTS = ("train", "valid", "test")
ISOLATION_DISTANCE = 8.0  # Å; an atom at a larger distance from its own images is isolated
Item = TypeVar("Item")


@dataclass(frozen=True)
class Split:
    """Indices of the frames in each part, and the method of the split.

    Attributes:
        train: Indices of the training frames.
        valid: Indices of the validation frames.
        test: Indices of the test frames.
        method: ``fraction``, ``group`` or ``file``.
        seed: Seed of the shuffling; None for a split by file.
        key: Key of the groups in ``info``; None without groups.
        fingerprint: SHA-256 of the frames that were split, so that the split is not used with other data.
    """

    train: list[int]
    valid: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)
    method: str = "file"
    seed: int | None = None
    key: str | None = None
    fingerprint: str = ""

    def take(self, items: Sequence[Item]) -> dict[str, list[Item]]:
        """Return the items of each part.

        Args:
            items: Frames or graphs, in the order of the frames that were split.
        """
        return {part: [items[index] for index in getattr(self, part)] for part in PARTS}

    def to_json(self) -> dict[str, Any]:
        """Return the split as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any], frames: Sequence[ase.Atoms] | None = None) -> Split:
        """Return a recorded split.

        Args:
            record: Result of ``to_json``.
            frames: Frames to compare with the fingerprint; None skips the comparison.

        Raises:
            DataError: If the split was made for other frames.
        """
        split = cls(**record)
        if frames is not None and split.fingerprint and fingerprint(frames) != split.fingerprint:
            raise DataError("this split was made for other data: the fingerprints differ; split again")
        return split


def split(
    frames: Iterable[ase.Atoms],
    *,
    valid: float | int = 0.1,
    test: float | int = 0,
    seed: int = 0,
    group: str | None = None,
    stratify: bool = False,
) -> Split:
    """Split frames at random into training, validation and test parts; the result is the same on every machine.

    Isolated atoms are put into the training part, because E0 is computed from them, unless the other frames are too few for
    validation and test.

    Args:
        frames: Structures in any iterable.
        valid: Fraction (below 1) or number of validation frames.
        test: Fraction (below 1) or number of test frames.
        seed: Seed of the shuffling.
        group: Key of ``info``; frames with the same value stay in one part. A frame without the key is a group of one frame.
            None makes no groups.
        stratify: Whether each configuration type is split with the same fractions.

    Raises:
        DataError: If the training part, or a requested part, would be empty.
    """
    frames = list(frames)
    n_frames = len(frames)
    sizes = {"valid": _count_frames(valid, n_frames, "valid"), "test": _count_frames(test, n_frames, "test")}
    if sum(sizes.values()) >= n_frames:
        raise DataError(
            f"nothing is left to train on: of {n_frames} frames, {sizes['valid']} go to valid and {sizes['test']} to test"
        )
    isolated_groups, groups = _separate_isolated(frames, _groups(frames, group), sum(sizes.values()))
    n_split = n_frames - sum(map(len, isolated_groups))
    parts: dict[str, list[int]] = {"train": list(chain.from_iterable(isolated_groups)), "valid": [], "test": []}
    strata = _strata(frames, groups, stratify)
    shares = _shares({name: sum(map(len, stratum)) for name, stratum in strata.items()}, sizes, n_split)
    for stratum_number, (name, stratum) in enumerate(strata.items()):
        for members in (stratum[number] for number in shuffled(len(stratum), seed, stratum_number)):
            parts[_choose_part(shares[name], len(members))].extend(members)
    for part, number in sizes.items():
        if number and not parts[part]:
            raise DataError(
                f"{part} stays empty: no group of {group!r} fits into {number} frames; increase this number"
            )
    if not parts["train"]:
        raise DataError(
            f"nothing is left to train on: every frame is in a group that was put into {' or '.join(sizes)}"
        )
    return Split(
        train=sorted(parts["train"]),
        valid=sorted(parts["valid"]),
        test=sorted(parts["test"]),
        method="group" if group else "fraction",
        seed=seed,
        key=group,
        fingerprint=fingerprint(frames),
    )


def _separate_isolated(
    frames: Sequence[ase.Atoms], groups: list[list[int]], n_required: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Return groups of isolated atoms, and the other groups.

    If the other groups have too few frames for validation and test, no group is set apart: the result is [], ``groups``.

    Args:
        frames: The frames.
        groups: Indices of the frames in each group.
        n_required: Number of validation and test frames.
    """
    isolated_groups = [members for members in groups if all(_is_isolated(frames[index]) for index in members)]
    if len(frames) - sum(map(len, isolated_groups)) <= n_required:
        return [], groups
    return isolated_groups, [members for members in groups if members not in isolated_groups]


def _strata(frames: Sequence[ase.Atoms], groups: list[list[int]], stratify: bool) -> dict[str, list[list[int]]]:
    """Return the groups of each configuration type, sorted by type; all groups in one stratum without stratification."""
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups:
        config_type = str(frames[members[0]].info.get("config_type", "default")) if stratify else ""
        strata[config_type].append(members)
    return dict(sorted(strata.items()))


def split_by_file(**parts: Iterable[ase.Atoms]) -> tuple[list[ase.Atoms], Split]:
    """Return one list of all frames, and the split, for parts in separate files.

    Args:
        parts: Frames of each part: ``train=..., valid=..., test=...``.

    Raises:
        DataError: If there are no training frames.
    """
    frames_by_part = {part: list(structures) for part, structures in parts.items()}
    if not frames_by_part.get("train"):
        raise DataError("nothing is left to train on: the training files hold no frame")
    frames: list[ase.Atoms] = []
    indices: dict[str, list[int]] = {}
    for part in PARTS:
        part_frames = frames_by_part.get(part, [])
        indices[part] = list(range(len(frames), len(frames) + len(part_frames)))
        frames += part_frames
    return frames, Split(indices["train"], indices["valid"], indices["test"], fingerprint=fingerprint(frames))


def _count_frames(share: float | int, n_frames: int, part: str) -> int:
    """Return the number of frames for a fraction or a number."""
    if share == 1 and isinstance(share, float):
        raise DataError(
            f"nothing is left to train on: {part} is the fraction {share}, all frames; for one frame, write 1"
        )
    if isinstance(share, bool) or not share >= 0 or (share >= 1 and share != int(share)):
        raise DataError(f"{part} should be a fraction below 1 or a number of frames, but is {share}")
    return max(1, round(share * n_frames)) if 0 < share < 1 else int(share)


def _is_isolated(atoms: ase.Atoms) -> bool:
    """Return whether the structure is one atom, with its periodic images more than 8 Å away."""
    return len(atoms) == 1 and bool((atoms.cell.lengths()[atoms.pbc] > ISOLATION_DISTANCE).all())


def _groups(frames: Sequence[ase.Atoms], key: str | None) -> list[list[int]]:
    """Return the indices of the frames in each group; without a key, each frame is a group."""
    if key is None:
        return [[index] for index in range(len(frames))]
    members: dict[Any, list[int]] = defaultdict(list)
    for index, atoms in enumerate(frames):
        members[("group", str(atoms.info[key])) if key in atoms.info else ("frame", index)].append(index)
    if all(kind == "frame" for kind, _ in members):
        info_keys = sorted({name for atoms in frames for name in atoms.info})
        raise DataError(f"no frame has the group key {key!r}; the info keys are {', '.join(info_keys) or 'none'}")
    return list(members.values())


def _shares(sizes: dict[str, int], requested: dict[str, int], n_frames: int) -> dict[str, dict[str, int]]:
    """Return the number of frames of each stratum in each part: proportional, rounded by the largest-remainder method.

    Args:
        sizes: Number of frames of each stratum.
        requested: Number of frames of each part.
        n_frames: Number of frames of all strata.
    """
    shares: dict[str, dict[str, int]] = {name: {} for name in sizes}
    for part, total in requested.items():
        exact = {name: total * size / n_frames for name, size in sizes.items()}
        for name, number in exact.items():
            shares[name][part] = int(number)
        n_missing = total - sum(int(number) for number in exact.values())
        largest_remainders = sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name))
        for name in largest_remainders[:n_missing]:
            shares[name][part] += 1
    return shares


def _choose_part(capacity: dict[str, int], size: int) -> str:
    """Return the first part with capacity for a group, or else the training part; the capacity of this part is reduced."""
    for part in ("test", "valid"):
        if size <= capacity[part]:
            capacity[part] -= size
            return part
    return "train"
