"""What reading noticed beside the frames: missing labels, columns nobody read, labels that contradict one another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atomgraph.data.naming import number_of

# Names that look like a label, and the number of entries that such a label has in a frame (None: three an atom).
LOOKS = {
    "energy": (re.compile(r"energ|^e$|^e_?(tot|dft|ref)|toten|^u0$", re.I), (1,)),
    "forces": (re.compile(r"force|gradient|^f$|^f_?(dft|ref)", re.I), None),
    "stress": (re.compile(r"stress", re.I), (6, 9)),
    "virial": (re.compile(r"virial", re.I), (6, 9)),
}
NO_LABEL = re.compile(r"weight|uncertaint|energies|stresses|sigma|_std|error|mask|per_atom|key|unit", re.I)
WEIGHT = re.compile(r"weight", re.I)


@dataclass(frozen=True)
class Contradiction:
    """Two labels of a frame that should be the same: names, the largest difference, and its unit."""

    frame: str
    names: tuple[str, str]
    difference: float
    unit: str
    hint: str = ""


@dataclass
class ReadingNotes:
    """Filled by ``data.read``; ``lines`` says it for the census.

    Attributes:
        n_frames: Frames read.
        missing: Frames with NaN in a whole label, by label.
        unconverged: Electronic steps that did not converge and were left out, by file.
        keys: Frames that carry a name in results, ``info`` or ``arrays``.
        candidates: Frames that carry a key which looks like a label and was not read, by label and key.
        without: Frames in which a label was not found, by label.
        weights: Frames that carry a key which looks like a weight.
        contradictions: Labels that differ from a second label of the same frame.
    """

    n_frames: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unconverged: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    candidates: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    without: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    contradictions: list[Contradiction] = field(default_factory=list)

    def take_keys(self, places: list[Mapping[str, Any]], used: set[str], n_atoms: int) -> None:
        """Count the keys of a frame, and those among them that look like labels or weights and were not read."""
        self.n_frames += 1
        present = {name: value for place in reversed(places) for name, value in place.items() if value is not None}
        self.keys.update(list(present))
        for name, value in present.items():
            if name in used or not isinstance(name, str):
                continue
            size = _n_numbers(value)
            if WEIGHT.search(name) and size == 1:
                self.weights[name] += 1
            elif size and not NO_LABEL.search(name):
                for label, (look, sizes) in LOOKS.items():
                    if look.search(name) and size in (sizes or (3 * n_atoms,)):
                        self.candidates[label][name] += 1
                        break

    def unread(self) -> Iterator[tuple[str, str, int]]:
        """(label, key, frames) of keys that look like a label which some frames lack."""
        for label, keys in self.candidates.items():
            lacks = self.without[label]
            if label in ("stress", "virial"):  # one of them is enough
                lacks = min(self.without["stress"], self.without["virial"])
            for key, n_frames in sorted(keys.items()):
                if lacks:
                    yield label, key, n_frames

    def lines(self, weight_keys: Mapping[str, str] | None = None) -> list[str]:
        """Lines for the census.

        Args:
            weight_keys: Keys of weights that are used (``data.weight_keys``).
        """
        lines = [
            f"{label} is NaN in {number_of(number, 'frame')}, and counts as missing there"
            for label, number in sorted(self.missing.items())
        ]
        lines += [
            f"{path}: {number_of(number, 'unconverged step')} left out"
            for path, number in sorted(self.unconverged.items())
        ]
        lines += [
            f"{key} in {number_of(number, 'frame')} looks like {label}, and is not read: data.keys: {{{label}: {key}}} would"
            for label, key, number in self.unread()
        ]
        used = set((weight_keys or {}).values())
        lines += [
            f"{key} in {number_of(number, 'frame')} looks like a weight, and is not used: data.weight_keys: "
            f"{{{_weighs(key)}: {key}}} would"
            for key, number in sorted(self.weights.items())
            if key not in used
        ]
        return lines


def _weighs(key: str) -> str:
    """What a weight's name says that it weighs."""
    for label in ("energy", "force", "stress", "virial"):
        if label in key.lower():
            return {"force": "forces", "virial": "stress"}.get(label, label)
    return "all"


def _n_numbers(value: Any) -> int:
    """How many numbers a value is; 0 for words and the like."""
    if isinstance(value, str | bool | bytes | Mapping):
        return 0
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return 0
    return int(array.size)
