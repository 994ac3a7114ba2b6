"""Reading labels: by their names, converted to eV and Å, with signs corrected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.data.conversion import Conversion, check_forces_sign, known_entries
from atomgraph.data.reading_notes import Contradiction, ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES, label_names
from atomgraph.graph.structure import VOIGT, check_label
from atomgraph.old_names import old_names_of

OTHER_KEYS = ("config_type", "head", "charge", "spin")
# Names that labels and what belongs to them have anyway; not worth a word where they are not read.
COMMON = {"energies", "stresses", "config_type", "head", "source", "charge", "spin"}
SAME = 1e-3  # of the larger: two labels of one quantity that differ by more contradict one another


class LabelReader:
    r"""Takes labels by configured names and units, and gives them in eV, eV/Å, eV/Å³.

    A virial becomes a stress, :math:`\sigma = -W/V`. Stresses are positive in tension unless ``stress_sign: compression`` says
    otherwise; forces are −dE/dx unless ``forces_sign: gradient``; virials are positive in compression unless ``virial_sign:
    tension``. Six numbers of a stress or virial are taken in the order that ``stress_order`` states, and refused without it,
    under whatever key; results on an ASE calculator are in ASE's order.
    A label that is NaN in all its entries counts as missing.

    Args:
        keys: Names of labels, see ``data.read``.
        units: Units of labels, see ``Conversion``.
        labels: Whether labels are wanted; without them nothing of a frame but its structure is looked at.
        notes: Filled with notes of reading.

    Raises:
        DataError: For unknown keys and units, with the nearest known one, and for forces under a key that says gradient without
            a stated sign.
    """

    def __init__(
        self,
        keys: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        *,
        labels: bool = True,
        notes: ReadingNotes | None = None,
    ):
        self.keys = known_entries(keys, (*label_names(), *OTHER_KEYS), "keys")
        self.conversion = Conversion.of(units)
        if "forces" in self.keys:
            check_forces_sign(self.keys["forces"], units)
        self.labels = labels
        self.notes = ReadingNotes() if notes is None else notes
        self.seen: Counter[str] = Counter()
        self.offered: Counter[str] = Counter()

    def read(self, raw: ase.Atoms, conversion: Conversion | None = None, source: str = "") -> ase.Atoms:
        """The frame in Å with its labels in eV and Å on a calculator, and without labels in ``info`` and ``arrays``.

        Args:
            raw: The frame as its file has it; left as it is.
            conversion: Of the file, where it is not the reader's own.
            source: What the frame is called.
        """
        conversion = self.conversion if conversion is None else conversion
        places = places_of(raw)
        self.offered.update({name for place in places for name in place})
        values = self._found(places, conversion) if self.labels else {}
        atoms = raw.copy()
        atoms.calc = None
        for name in (*QUANTITIES, *(() if self.labels else (*label_names(), "free_energy", "energies"))):
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
        if conversion.length != 1.0:
            atoms.set_cell(atoms.cell.array * conversion.length)
            atoms.positions = atoms.positions * conversion.length
        kind, _ = self._value("config_type", places)
        atoms.info["config_type"] = "default" if kind is None else str(kind)
        head, _ = self._value("head", places)
        if head is not None:
            atoms.info["head"] = str(head)
        for name in ("charge", "spin"):
            if name in self.keys and (value := self._value(name, places)[0]) is not None:
                atoms.info[name] = value
        labels = self._labels(values, atoms, conversion, source)
        if labels:
            atoms.calc = SinglePointCalculator(atoms)
            atoms.calc.results.update(labels)  # names that ASE does not know, too
        if self.labels:
            used = {self.keys.get(name, name) for name in (*label_names(), *OTHER_KEYS)} | COMMON
            self.notes.take_keys(places, used, len(atoms))
            self.notes.without.update(set(label_names()) - values.keys())
            self._compare_energies(values, places, conversion, source)
        return atoms

    def _found(self, places: list[Mapping[str, Any]], conversion: Conversion) -> dict[str, np.ndarray]:
        """The labels as the file has them, six numbers as (3, 3); those that are NaN throughout are noted and left out."""
        values = {}
        for name in label_names():
            value, place = self._value(name, places)
            if value is None:
                continue
            numbers = _numbers(name, value)
            if numbers.size and np.isnan(numbers).all():
                self.notes.missing[name] += 1
                continue
            if name in ("stress", "virial") and place > 0:
                numbers = conversion.full_tensor(self.keys.get(name, name), numbers)
            values[name] = numbers
        return values

    def _labels(
        self, values: dict[str, np.ndarray], atoms: ase.Atoms, conversion: Conversion, source: str
    ) -> dict[str, Any]:
        labels: dict[str, Any] = {}
        for name in (name for name in QUANTITIES if name in values and name != "stress"):
            labels[name] = conversion.factor(name) * check_label(name, values[name], len(atoms))
        volume = abs(np.linalg.det(atoms.cell.array)) if atoms.pbc.any() else 0.0
        tensors = {}
        if "stress" in values:
            tensors["stress"] = conversion.stress * _symmetric("stress", values["stress"], len(atoms))
        if "virial" in values and volume > 0:
            tensors["virial"] = conversion.virial * _symmetric("virial", values["virial"], len(atoms)) / volume
        if volume > 0 and tensors:  # without a volume there is no stress, whatever a program wrote
            stress = next(iter(tensors.values()))
            labels["stress"] = stress.reshape(9)[list(VOIGT)]
            if len(tensors) == 2:
                self._compare_stresses(stress, tensors["virial"], source)
        return labels

    def _value(self, name: str, places: list[Mapping[str, Any]]) -> tuple[Any, int]:
        """What is found under the name's key, and in which place; None where there is nothing."""
        key = self.keys.get(name, name)
        for number, place in enumerate(places):
            if key in place and place[key] is not None:
                self.seen[name] += 1
                return place[key], number
        return None, -1

    def _compare_stresses(self, stress: np.ndarray, from_virial: np.ndarray, source: str) -> None:
        scale = max(np.abs(stress).max(), np.abs(from_virial).max())
        difference = np.abs(stress - from_virial).max()
        if difference > SAME * scale + 1e-7:
            opposite = np.abs(stress + from_virial).max() < SAME * scale
            hint = "they are equal but for their sign" if opposite else ""
            names = self.keys.get("stress", "stress"), self.keys.get("virial", "virial")
            self.notes.contradictions.append(Contradiction(source, names, float(difference), "eV/Å³", hint))

    def _compare_energies(
        self, values: Mapping[str, np.ndarray], places: list[Mapping[str, Any]], conversion: Conversion, source: str
    ) -> None:
        """Energy against free energy, where a frame has both."""
        key = self.keys.get("energy", "energy")
        free = next((place["free_energy"] for place in places if place.get("free_energy") is not None), None)
        if "energy" not in values or free is None or key == "free_energy":
            return
        try:
            difference = conversion.energy * abs(float(free) - float(values["energy"]))
        except (TypeError, ValueError):
            return
        if difference > 1e-6:
            self.notes.contradictions.append(Contradiction(source, (key, "free_energy"), difference, "eV"))

    def check_seen(self, files: str) -> None:
        """DataError for a configured key that no frame carried, with the keys that are there."""
        for name, key in self.keys.items():
            if not self.seen[name] and (self.labels or name not in label_names()):
                there = ", ".join(sorted(map(str, self.offered))) or "none"
                raise DataError(
                    f"no frame of {files} carries the key {key!r} that is configured for {name}; keys there: {there}"
                )


def places_of(atoms: ase.Atoms) -> list[Mapping[str, Any]]:
    """Where labels may be: results, info, arrays, and what ASE's data bases attach."""
    results = dict(getattr(atoms.calc, "results", None) or {})
    if "stresses" in results:
        results.pop("stresses")
    arrays = {name: array for name, array in atoms.arrays.items() if name not in {"numbers", "positions"}}
    attached = atoms.info.get("key_value_pairs"), atoms.info.get("data")
    return [results, atoms.info, arrays, *(place for place in attached if isinstance(place, Mapping))]


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} should be numbers, but is {str(value)[:40]!r}") from error


def _symmetric(name: str, value: Any, n_atoms: int) -> np.ndarray:
    """(3, 3), symmetrised; DataError where it is too far from symmetric to be a stress."""
    try:
        full = check_label("stress", _numbers(name, value), n_atoms)
    except ValueError as error:
        raise DataError(str(error).replace("stress", name)) from error
    skew = np.abs(full - full.T).max()
    if skew > 0.05 * np.abs(full).max() and skew > 1e-6:
        raise DataError(f"{name} is not symmetric: it differs from its transpose by {skew:.3g}")
    return 0.5 * (full + full.T)


__getattr__ = old_names_of(__name__)
