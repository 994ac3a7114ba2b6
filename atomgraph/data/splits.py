"""Who is trained on, who decides when to stop, who is only tested: splits that can be repeated and are written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import ase

from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError

PARTS = ("train", "valid", "test")
ALONE = 8.0  # Å from an atom to its own image, from which on it is alone
Item = TypeVar("Item")


@dataclass(frozen=True)
class Split:
    """Indices of the frames in each part, and how they came about.

    Attributes:
        method: ``fraction``, ``group`` or ``file``.
        seed, key: Of the shuffling, of the group; None where there is none.
        fingerprint: SHA-256 of the frames that were split, so that a split is not used on other data.
    """

    train: list[int]
    valid: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)
    method: str = "file"
    seed: int | None = None
    key: str | None = None
    fingerprint: str = ""

    def take(self, items: Sequence[Item]) -> dict[str, list[Item]]:
        """The frames (or graphs) of each part."""
        return {part: [items[index] for index in getattr(self, part)] for part in PARTS}

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any], frames: Sequence[ase.Atoms] | None = None) -> Split:
        """A recorded split; DataError where the frames are not those that it was made for."""
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
    """Frames at random into train, valid and test: the same on every machine for the same frames, fractions and seed.

    Atoms alone are trained on, since E0 is taken from them, unless the others are too few for the other parts.

    Args:
        valid, test: A fraction (below 1) or a number of frames.
        group: An info key; frames that share its value stay on one side. A frame without it is a group by itself.
        stratify: Take the same fraction of every configuration type.

    Raises:
        DataError: When nothing is left to train on, or a part that was asked for stays empty.
    """
    frames = list(frames)
    n_frames = len(frames)
    sizes = {"valid": _number(valid, n_frames, "valid"), "test": _number(test, n_frames, "test")}
    if sum(sizes.values()) >= n_frames:
        raise DataError(
            f"nothing is left to train on: of {n_frames} frames, {sizes['valid']} go to valid and {sizes['test']} to test"
        )
    groups = _groups(frames, group)
    alone = [members for members in groups if all(_is_alone(frames[index]) for index in members)]
    n_others = n_frames - sum(map(len, alone))
    if n_others > sum(sizes.values()):
        groups = [members for members in groups if members not in alone]
    else:
        alone, n_others = [], n_frames
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups:
        kind = str(frames[members[0]].info.get("config_type", "default")) if stratify else ""
        strata[kind].append(members)
    parts: dict[str, list[int]] = {"train": [index for members in alone for index in members], "valid": [], "test": []}
    shares = _shares({kind: sum(map(len, pool)) for kind, pool in sorted(strata.items())}, sizes, n_others)
    for place, (kind, pool) in enumerate(sorted(strata.items())):
        for members in (pool[number] for number in shuffled(len(pool), seed, place)):
            parts[_where(shares[kind], len(members))].extend(members)
    for part, number in sizes.items():
        if number and not parts[part]:
            raise DataError(f"{part} stays empty: no group of {group!r} fits into {number} frames; ask for more")
    if not parts["train"]:
        raise DataError(
            f"nothing is left to train on: every frame belongs to a group that went to {' or '.join(sizes)}"
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


def split_by_file(**parts: Iterable[ase.Atoms]) -> tuple[list[ase.Atoms], Split]:
    """Frames that came in separate files, ``train=..., valid=..., test=...``: all of them in one list, and the split."""
    listed = {part: list(structures) for part, structures in parts.items()}
    if not listed.get("train"):
        raise DataError("nothing is left to train on: the training files hold no frame")
    frames: list[ase.Atoms] = []
    indices: dict[str, list[int]] = {}
    for part in PARTS:
        more = listed.get(part, [])
        indices[part] = list(range(len(frames), len(frames) + len(more)))
        frames += more
    return frames, Split(indices["train"], indices["valid"], indices["test"], fingerprint=fingerprint(frames))


def _number(share: float | int, n_frames: int, part: str) -> int:
    if share == 1 and isinstance(share, float):
        raise DataError(f"nothing is left to train on: {part} is {share}, the whole; one frame is 1")
    if isinstance(share, bool) or not share >= 0 or (share >= 1 and share != int(share)):
        raise DataError(f"{part} should be a fraction below 1 or a number of frames, but is {share}")
    return max(1, round(share * n_frames)) if 0 < share < 1 else int(share)


def _is_alone(atoms: ase.Atoms) -> bool:
    """One atom, its own images out of sight."""
    return len(atoms) == 1 and bool((atoms.cell.lengths()[atoms.pbc] > ALONE).all())


def _groups(frames: Sequence[ase.Atoms], key: str | None) -> list[list[int]]:
    if key is None:
        return [[index] for index in range(len(frames))]
    members: dict[Any, list[int]] = defaultdict(list)
    for index, atoms in enumerate(frames):
        members[("of", str(atoms.info[key])) if key in atoms.info else ("alone", index)].append(index)
    if all(kind == "alone" for kind, _ in members):
        known = sorted({name for atoms in frames for name in atoms.info})
        raise DataError(f"no frame carries the group key {key!r}; the info keys are {', '.join(known) or 'none'}")
    return list(members.values())


def _shares(sizes: dict[str, int], requested: dict[str, int], n_frames: int) -> dict[str, dict[str, int]]:
    """How many frames of each stratum go to each part: proportional, rounded by largest remainder to the wanted sums."""
    shares: dict[str, dict[str, int]] = {kind: {} for kind in sizes}
    for part, total in requested.items():
        exact = {kind: total * size / n_frames for kind, size in sizes.items()}
        for kind, number in exact.items():
            shares[kind][part] = int(number)
        missing = total - sum(int(number) for number in exact.values())
        by_remainder = sorted(exact, key=lambda kind: (int(exact[kind]) - exact[kind], kind))
        for kind in by_remainder[:missing]:
            shares[kind][part] += 1
    return shares


def _where(capacity: dict[str, int], size: int) -> str:
    """The first part with capacity for a group; the training part gets the rest."""
    for part in ("test", "valid"):
        if size <= capacity[part]:
            capacity[part] -= size
            return part
    return "train"
