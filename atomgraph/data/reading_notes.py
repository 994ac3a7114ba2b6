"""Notes of reading: missing labels, columns that were not read, labels that contradict one another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from atomgraph.data.conversion import says_gradient
from atomgraph.data.frame_names import number_of
from atomgraph.data.label_hints import axis_of, is_per_atom, looks_like, may_be, numbers_of, words_of
from atomgraph.graph.quantities import QUANTITIES

WEIGHT = re.compile(r"weight", re.I)


@dataclass(frozen=True)
class Contradiction:
    """Two labels of a frame that should be the same: names, the largest difference, and its unit."""

    frame: str
    names: tuple[str, str]
    difference: float
    unit: str
    hint: str = ""


@dataclass(frozen=True)
class Unread:
    """A key that looks like a label and was not read: label, key, and frames that carry it."""

    label: str
    key: str
    n_frames: int

    @property
    def looks(self) -> str:
        """What it looks like, in words."""
        if self.label == "energy" and is_per_atom(self.key):
            return "energy per atom"
        if " " in self.key:
            return "forces in three columns"
        return "gradient of the energy, minus the forces" if self._reversed else self.label

    @property
    def way_out(self) -> str:
        """How to have it read."""
        if self.label == "energy" and is_per_atom(self.key):
            return "the label is the energy of the whole structure; write it into the file, times the number of atoms"
        if " " in self.key:
            return "write them as one column of three, forces:R:3"
        sign = ""
        if self._reversed:
            sign = ", data.units: {forces_sign: gradient} (--unit forces_sign=gradient)"
        elif self.label == "stress" and "pressure" in words_of(self.key):
            sign = ", data.units: {stress_sign: compression} (--unit stress_sign=compression)"
        with_sign = f", with{sign[1:]}" if sign else ""
        return f"data.keys: {{{self.label}: {self.key}}} (--key {self.label}={self.key}) would read it{with_sign}"

    @property
    def _reversed(self) -> bool:
        return self.label == "forces" and says_gradient(self.key)


@dataclass
class ReadingNotes:
    """Filled by ``data.read``; ``lines`` says it for the census.

    Attributes:
        n_frames: Frames read.
        missing: Frames with NaN in a whole label, by label.
        unconverged: Electronic steps that did not converge and were left out, by file.
        passed_over: Frames with a section that the reader does not know, by file and heading.
        keys: Frames that carry a name in results, ``info`` or ``arrays``.
        candidates: Frames that carry a key which looks like a label and was not read, by label and key.
        possible: Frames that carry a key which has the size of a label and another name, by label and key.
        split_forces: Frames that carry forces in three columns, by the names of these.
        without: Frames in which a label was not found, by label.
        weights: Frames that carry a key which looks like a weight.
        contradictions: Labels that differ from a second label of the same frame.
    """

    n_frames: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unconverged: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    candidates: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    possible: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    split_forces: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    contradictions: list[Contradiction] = field(default_factory=list)

    def take_keys(self, places: list[Mapping[str, Any]], used: set[str], n_atoms: int) -> None:
        """Count the keys of a frame, and those among them that look like labels or weights and were not read."""
        self.n_frames += 1
        present = {name: value for place in reversed(places) for name, value in place.items() if value is not None}
        self.keys.update(list(present))
        axes: dict[str, set[str]] = defaultdict(set)
        for name, value in present.items():
            if name in used or not isinstance(name, str):
                continue
            numbers = numbers_of(value)
            if numbers is None:
                continue
            if WEIGHT.search(name):
                self.weights[name] += numbers.size == 1
            elif label := looks_like(name, numbers, n_atoms):
                self.candidates[label][name] += 1
            elif (axis := axis_of(name)) and numbers.shape == (n_atoms,):
                axes[axis[0]].add(axis[1])
            elif label := may_be(name, numbers, n_atoms):
                self.possible[label][name] += 1
        for before, letters in axes.items():
            self.split_forces[f"{before}fx {before}fy {before}fz"] += letters == {"x", "y", "z"}

    def lacking(self, label: str) -> int:
        """Frames without a label; a stress or a virial is enough."""
        for quantity in QUANTITIES.values():
            names = {quantity.name, *quantity.convertible_labels}
            if label in names:
                return min(self.without[name] for name in names)
        return self.without[label]

    def unread(self) -> Iterator[Unread]:
        """Keys that look like a label which some frames lack."""
        for label, keys in self.candidates.items():
            for key, n_frames in sorted(keys.items()):
                if self.lacking(label):
                    yield Unread(label, key, n_frames)
        for key, n_frames in sorted(self.split_forces.items()):
            if self.lacking("forces") and n_frames:
                yield Unread("forces", key, n_frames)

    def unnamed(self) -> Iterator[tuple[str, list[str]]]:
        """(label, keys) of what may be a label by its size alone, where no frame has the label and no key looks like it."""
        looking = {unread.label for unread in self.unread()}
        for label, quantity in QUANTITIES.items():
            keys = self.possible[label]
            alike = {label, *quantity.convertible_labels}
            if keys and self.n_frames and self.lacking(label) == self.n_frames and not alike & looking:
                yield label, sorted(keys)

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
            f"{unread.key} in {number_of(unread.n_frames, 'frame')} looks like {unread.looks}, "
            f"and is not read: {unread.way_out}"
            for unread in self.unread()
        ]
        lines += [
            f"no frame has {QUANTITIES[label].noun_phrase}; "
            f"by {'its' if len(keys) == 1 else 'their'} size {', '.join(keys)} may be: data.keys: "
            f"{{{label}: ...}} would read {'it' if len(keys) == 1 else 'one'}"
            for label, keys in self.unnamed()
        ]
        lines += [
            f"{path}: {heading} in {number_of(number, 'frame')} is not read"
            for (path, heading), number in sorted(self.passed_over.items())
        ]
        used = set((weight_keys or {}).values())
        lines += [
            f"{key} in {number_of(self.keys[key], 'frame')} weighs {'labels' if what == 'all' else what} (data.weight_keys)"
            for what, key in (weight_keys or {}).items()
        ]
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
