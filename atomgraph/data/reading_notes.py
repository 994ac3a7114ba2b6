"""Notes of reading: missing labels, keys that were not read, labels that contradict each other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from atomgraph.data.conversion import is_gradient_name
from atomgraph.data.frame_names import format_count
from atomgraph.data.label_hints import (
    as_numbers,
    guess_by_name,
    guess_by_size,
    is_per_atom,
    split_force_axis,
    split_name,
)
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.old_names import OldAttribute, old_names_of

WEIGHT = re.compile(r"weight", re.I)


@dataclass(frozen=True)
class Contradiction:
    """Two labels of a frame that should be equal, but differ.

    Attributes:
        frame: Name of the frame.
        names: Keys of the two labels.
        difference: Largest difference, in ``unit``.
        unit: Unit of the difference.
        hint: Possible reason of the difference; may be empty.
    """

    frame: str
    names: tuple[str, str]
    difference: float
    unit: str
    hint: str = ""


@dataclass(frozen=True)
class UnreadLabel:
    """A key with the name of a label that was not read.

    Attributes:
        label: Name of the label.
        key: Key in the frames; three keys for forces in three columns.
        n_frames: Number of frames with the key.
    """

    label: str
    key: str
    n_frames: int

    @property
    def description(self) -> str:
        """Description of the probable label."""
        if self.label == "energy" and is_per_atom(self.key):
            return "energy per atom"
        if " " in self.key:
            return "forces in three columns"
        return "gradient of the energy, minus the forces" if self._is_gradient else self.label

    @property
    def advice(self) -> str:
        """Advice how to read the label."""
        if self.label == "energy" and is_per_atom(self.key):
            return "the label is the energy of the whole structure; write it into the file, times the number of atoms"
        if " " in self.key:
            return "write them as one column of three, forces:R:3"
        sign_entry = ""
        if self._is_gradient:
            sign_entry = ", data.units: {forces_sign: gradient} (--unit forces_sign=gradient)"
        elif self.label == "stress" and "pressure" in split_name(self.key):
            sign_entry = ", data.units: {stress_sign: compression} (--unit stress_sign=compression)"
        addition = f", with{sign_entry[1:]}" if sign_entry else ""
        return f"data.keys: {{{self.label}: {self.key}}} (--key {self.label}={self.key}) would read it{addition}"

    @property
    def _is_gradient(self) -> bool:
        """Whether the key is the name of a gradient of the energy, which is minus the forces."""
        return self.label == "forces" and is_gradient_name(self.key)

    looks = OldAttribute("description")
    way_out = OldAttribute("advice")


@dataclass
class ReadingNotes:
    """Notes that ``data.read`` collects; ``lines`` returns them as text for the census.

    All counters count frames.

    Attributes:
        n_frames: Number of frames.
        missing: Frames in which all entries of a label are NaN, by label.
        unconverged: Frames that were left out because the electronic steps did not converge, by file.
        unread_sections: Frames with a section that the reader does not know, by file and heading.
        keys: Frames with a key in results, ``info`` or ``arrays``, by key.
        candidates: Frames with a key that has the name of a label and was not read, by label and key.
        possible: Frames with a key that has the size of a label, but another name, by label and key.
        split_forces: Frames with forces in three columns, by the names of the columns.
        without: Frames without a label, by label.
        weights: Frames with a key that has the name of a weight, by key.
        contradictions: Pairs of labels of a frame that should be equal, but differ.
    """

    n_frames: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unconverged: Counter[str] = field(default_factory=Counter)
    unread_sections: Counter[tuple[str, str]] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    candidates: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    possible: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    split_forces: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    contradictions: list[Contradiction] = field(default_factory=list)

    def count_keys(self, sources: list[Mapping[str, Any]], used_keys: set[str], n_atoms: int) -> None:
        """Count the keys of a frame, and its unread keys that may be labels or weights.

        Args:
            sources: Mappings of the frame that may contain labels, see ``labels.label_sources``.
            used_keys: Keys that are read.
            n_atoms: Number of atoms of the frame.
        """
        self.n_frames += 1
        values = {name: value for source in reversed(sources) for name, value in source.items() if value is not None}
        self.keys.update(list(values))
        axes: dict[str, set[str]] = defaultdict(set)
        for name, value in values.items():
            if name in used_keys or not isinstance(name, str):
                continue
            numbers = as_numbers(value)
            if numbers is None:
                continue
            if WEIGHT.search(name):
                self.weights[name] += numbers.size == 1
            elif label := guess_by_name(name, numbers, n_atoms):
                self.candidates[label][name] += 1
            elif (prefix_and_axis := split_force_axis(name)) and numbers.shape == (n_atoms,):
                axes[prefix_and_axis[0]].add(prefix_and_axis[1])
            elif label := guess_by_size(name, numbers, n_atoms):
                self.possible[label][name] += 1
        for prefix, letters in axes.items():
            self.split_forces[f"{prefix}fx {prefix}fy {prefix}fz"] += letters == {"x", "y", "z"}

    def count_missing(self, label: str) -> int:
        """Return the number of frames without a label; for the stress, frames without stress and virial."""
        for quantity in QUANTITIES.values():
            names = {quantity.name, *quantity.convertible_labels}
            if label in names:
                return min(self.without[name] for name in names)
        return self.without[label]

    def unread_labels(self) -> Iterator[UnreadLabel]:
        """Yield the keys with the name of a label that some frames lack."""
        for label, keys in self.candidates.items():
            for key, n_frames in sorted(keys.items()):
                if self.count_missing(label):
                    yield UnreadLabel(label, key, n_frames)
        for key, n_frames in sorted(self.split_forces.items()):
            if self.count_missing("forces") and n_frames:
                yield UnreadLabel("forces", key, n_frames)

    def possible_labels(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each label that no frame has, with the keys of the right size, if no key has the name of the label."""
        unread_labels = {unread.label for unread in self.unread_labels()}
        for label, quantity in QUANTITIES.items():
            keys = self.possible[label]
            names = {label, *quantity.convertible_labels}
            if keys and self.n_frames and self.count_missing(label) == self.n_frames and not names & unread_labels:
                yield label, sorted(keys)

    def lines(self, weight_keys: Mapping[str, str] | None = None) -> list[str]:
        """Return the notes as lines of text for the census.

        Args:
            weight_keys: Keys of the weights that are used (``data.weight_keys``); None for no weights.
        """
        lines = [
            f"{label} is NaN in {format_count(number, 'frame')}, which counts as a missing label"
            for label, number in sorted(self.missing.items())
        ]
        lines += [
            f"{path}: {format_count(number, 'unconverged step')} left out"
            for path, number in sorted(self.unconverged.items())
        ]
        lines += [
            f"{unread.key} in {format_count(unread.n_frames, 'frame')} looks like {unread.description}, "
            f"and is not read: {unread.advice}"
            for unread in self.unread_labels()
        ]
        lines += [
            f"no frame has {QUANTITIES[label].noun_phrase}; "
            f"{', '.join(keys)} {'has' if len(keys) == 1 else 'have'} the size of this label: data.keys: "
            f"{{{label}: ...}} would read {'this key' if len(keys) == 1 else 'one of them'}"
            for label, keys in self.possible_labels()
        ]
        lines += [
            f"{path}: {heading} in {format_count(number, 'frame')} is not read"
            for (path, heading), number in sorted(self.unread_sections.items())
        ]
        used_keys = set((weight_keys or {}).values())
        lines += [
            f"{key} in {format_count(self.keys[key], 'frame')} weighs {'labels' if target == 'all' else target} "
            f"(data.weight_keys)"
            for target, key in (weight_keys or {}).items()
        ]
        lines += [
            f"{key} in {format_count(number, 'frame')} looks like a weight, and is not used: data.weight_keys: "
            f"{{{_weighted_quantity(key)}: {key}}} would use it"
            for key, number in sorted(self.weights.items())
            if key not in used_keys
        ]
        return lines

    take_keys = OldAttribute("count_keys")
    lacking = OldAttribute("count_missing")
    unread = OldAttribute("unread_labels")
    unnamed = OldAttribute("possible_labels")
    passed_over = OldAttribute("unread_sections")


def _weighted_quantity(key: str) -> str:
    """Return the quantity in the name of a weight; ``all`` if there is none."""
    for label in ("energy", "force", "stress", "virial"):
        if label in key.lower():
            return {"force": "forces", "virial": "stress"}.get(label, label)
    return "all"


__getattr__ = old_names_of(__name__)
