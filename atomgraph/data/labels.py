"""``LabelReader``: reads the labels of a frame by configured keys, and converts them to eV and Å."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.data.conversion import Conversion, check_entries, check_forces_sign
from atomgraph.data.reading_notes import Contradiction, ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES, label_names
from atomgraph.graph.structure import VOIGT, check_label
from atomgraph.old_names import OldAttribute, old_names_of

OTHER_KEYS = ("config_type", "head", "charge", "spin")  # names in ``keys`` that are not labels
# Usual keys, for which no note is made if they are not read.
COMMON_KEYS = {"energies", "stresses", "config_type", "head", "source", "charge", "spin"}
MAX_RELATIVE_DIFFERENCE = 1e-3  # between stress and virial; a larger difference is a contradiction
STRESS_ROUNDING = 1e-7  # eV/Å³; smaller differences between stress and virial are rounding errors
ENERGY_ROUNDING = 1e-6  # eV; smaller differences between energy and free energy are rounding errors
MAX_ASYMMETRY = 0.05  # largest accepted asymmetry of a stress or virial, relative to its largest component
ASYMMETRY_ROUNDING = 1e-6  # smaller absolute asymmetries are rounding errors, in the unit of the file


class LabelReader:
    r"""Reader of labels: finds them by configured keys and converts them to eV, eV/Å and eV/Å³.

    A virial is converted to a stress, :math:`\sigma = -W/V`. Default signs: stresses are positive in tension (other sign:
    ``stress_sign: compression``), forces are −dE/dx (``forces_sign: gradient``), virials are positive in compression
    (``virial_sign: tension``). A stress or virial of six components needs ``stress_order``, except for results of an ASE
    calculator, which are in ASE's order. A label is missing if all its entries are NaN.

    Args:
        keys: Keys of labels, see ``data.read``.
        units: Units of labels, see ``Conversion``.
        labels: Whether labels are read; if False, only structures are read.
        notes: Object that receives notes of reading.

    Raises:
        DataError: If a key or unit is unknown, or the key of forces is the name of a gradient and no sign is stated.
    """

    def __init__(
        self,
        keys: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        *,
        labels: bool = True,
        notes: ReadingNotes | None = None,
    ):
        self.keys = check_entries(keys, (*label_names(), *OTHER_KEYS), "keys")
        self.conversion = Conversion.from_units(units)
        if "forces" in self.keys:
            check_forces_sign(self.keys["forces"], units)
        self.labels = labels
        self.notes = ReadingNotes() if notes is None else notes
        self.n_found: Counter[str] = Counter()  # frames with a label, by its name
        self.all_keys: Counter[str] = Counter()  # frames with a key, by key

    def read(self, raw: ase.Atoms, conversion: Conversion | None = None, source: str = "") -> ase.Atoms:
        """Return the frame in Å, with labels in eV and Å on a calculator, and without labels in ``info`` and ``arrays``.

        Args:
            raw: Frame in the units of its file; it is not changed.
            conversion: Conversion of the file; that of the reader if None.
            source: Name of the frame, for notes.

        Raises:
            DataError: If a label cannot be read.
            GraphError: If a label has a wrong shape or is not finite.
        """
        conversion = self.conversion if conversion is None else conversion
        mappings = label_sources(raw)
        self.all_keys.update({name for mapping in mappings for name in mapping})
        values = self._raw_labels(mappings, conversion) if self.labels else {}
        atoms = raw.copy()
        atoms.calc = None
        for name in (*QUANTITIES, *(() if self.labels else (*label_names(), "free_energy", "energies"))):
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
        if conversion.length != 1.0:
            atoms.set_cell(atoms.cell.array * conversion.length)
            atoms.positions = atoms.positions * conversion.length
        config_type, _ = self._value("config_type", mappings)
        atoms.info["config_type"] = "default" if config_type is None else str(config_type)
        head, _ = self._value("head", mappings)
        if head is not None:
            atoms.info["head"] = str(head)
        for name in ("charge", "spin"):
            if name in self.keys and (value := self._value(name, mappings)[0]) is not None:
                atoms.info[name] = value
        results = self._converted_labels(values, atoms, conversion, source)
        if results:
            atoms.calc = SinglePointCalculator(atoms)
            atoms.calc.results.update(results)  # also names that ASE does not know
        if self.labels:
            used_keys = {self.keys.get(name, name) for name in (*label_names(), *OTHER_KEYS)} | COMMON_KEYS
            self.notes.count_keys(mappings, used_keys, len(atoms))
            self.notes.without.update(set(label_names()) - values.keys())
            self._compare_energies(values, mappings, conversion, source)
        return atoms

    admit = OldAttribute("read")

    def _raw_labels(self, mappings: list[Mapping[str, Any]], conversion: Conversion) -> dict[str, np.ndarray]:
        """Return the labels in the units of the file, six components as (3, 3), without labels whose entries are all NaN."""
        values = {}
        for name in label_names():
            value, mapping_number = self._value(name, mappings)
            if value is None:
                continue
            numbers = _numbers(name, value)
            if numbers.size and np.isnan(numbers).all():
                self.notes.missing[name] += 1
                continue
            if name in ("stress", "virial") and mapping_number > 0:  # mapping 0 contains the results of the calculator
                numbers = conversion.full_tensor(self.keys.get(name, name), numbers)
            values[name] = numbers
        return values

    def _converted_labels(
        self, values: dict[str, np.ndarray], atoms: ase.Atoms, conversion: Conversion, source: str
    ) -> dict[str, Any]:
        """Return the labels in eV and Å, with a stress from ``stress`` or ``virial``, in the form of ASE's results."""
        results: dict[str, Any] = {}
        for name in (name for name in QUANTITIES if name in values and name != "stress"):
            results[name] = conversion.factor(name) * check_label(name, values[name], len(atoms))
        volume = abs(np.linalg.det(atoms.cell.array)) if atoms.pbc.any() else 0.0
        tensors = {}
        if "stress" in values:
            tensors["stress"] = conversion.stress * _symmetric("stress", values["stress"], len(atoms))
        if "virial" in values and volume > 0:
            tensors["virial"] = conversion.virial * _symmetric("virial", values["virial"], len(atoms)) / volume
        if volume > 0 and tensors:  # a structure without volume has no stress
            stress = next(iter(tensors.values()))
            results["stress"] = stress.reshape(9)[list(VOIGT)]
            if len(tensors) == 2:
                self._compare_stresses(stress, tensors["virial"], source)
        return results

    def _value(self, name: str, mappings: list[Mapping[str, Any]]) -> tuple[Any, int]:
        """Return the value of a label and the number of the mapping that contains it; (None, −1) if there is no value."""
        key = self.keys.get(name, name)
        for number, mapping in enumerate(mappings):
            if key in mapping and mapping[key] is not None:
                self.n_found[name] += 1
                return mapping[key], number
        return None, -1

    def _compare_stresses(self, stress: np.ndarray, from_virial: np.ndarray, source: str) -> None:
        """Note a contradiction if stress and virial of a frame differ, both (3, 3), eV/Å³."""
        scale = max(np.abs(stress).max(), np.abs(from_virial).max())
        difference = np.abs(stress - from_virial).max()
        if difference > MAX_RELATIVE_DIFFERENCE * scale + STRESS_ROUNDING:
            is_opposite = np.abs(stress + from_virial).max() < MAX_RELATIVE_DIFFERENCE * scale
            hint = "they differ in sign only" if is_opposite else ""
            names = self.keys.get("stress", "stress"), self.keys.get("virial", "virial")
            self.notes.contradictions.append(Contradiction(source, names, float(difference), "eV/Å³", hint))

    def _compare_energies(
        self, values: Mapping[str, np.ndarray], mappings: list[Mapping[str, Any]], conversion: Conversion, source: str
    ) -> None:
        """Note a contradiction if energy and free energy of a frame differ."""
        key = self.keys.get("energy", "energy")
        free_energy = next((m["free_energy"] for m in mappings if m.get("free_energy") is not None), None)
        if "energy" not in values or free_energy is None or key == "free_energy":
            return
        try:
            difference = conversion.energy * abs(float(free_energy) - float(values["energy"]))
        except (TypeError, ValueError):
            return
        if difference > ENERGY_ROUNDING:
            self.notes.contradictions.append(Contradiction(source, (key, "free_energy"), difference, "eV"))

    def check_keys_found(self, files: str) -> None:
        """Check that each configured key was found in at least one frame.

        Args:
            files: Names of the files, for the message.

        Raises:
            DataError: If no frame had a configured key.
        """
        for name, key in self.keys.items():
            if not self.n_found[name] and (self.labels or name not in label_names()):
                all_keys = ", ".join(sorted(map(str, self.all_keys))) or "none"
                raise DataError(
                    f"no frame of {files} has the key {key!r} that is configured for {name}; keys of the frames: {all_keys}"
                )

    check_seen = OldAttribute("check_keys_found")
    seen = OldAttribute("n_found")
    offered = OldAttribute("all_keys")


def label_sources(atoms: ase.Atoms) -> list[Mapping[str, Any]]:
    """Return the mappings that may contain labels: results, info, arrays, and key-value pairs of ASE's data bases."""
    results = dict(getattr(atoms.calc, "results", None) or {})
    if "stresses" in results:
        results.pop("stresses")
    arrays = {name: array for name, array in atoms.arrays.items() if name not in {"numbers", "positions"}}
    database_rows = atoms.info.get("key_value_pairs"), atoms.info.get("data")
    return [results, atoms.info, arrays, *(mapping for mapping in database_rows if isinstance(mapping, Mapping))]


def _numbers(name: str, value: Any) -> np.ndarray:
    """Return a label as an array; DataError with its name if it is not numbers."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} should be numbers, but is {str(value)[:40]!r}") from error


def _symmetric(name: str, value: Any, n_atoms: int) -> np.ndarray:
    """Return a stress or virial symmetrised, (3, 3); DataError if it is far from symmetric."""
    try:
        full = check_label("stress", _numbers(name, value), n_atoms)
    except ValueError as error:
        raise DataError(str(error).replace("stress", name)) from error
    asymmetry = np.abs(full - full.T).max()
    if asymmetry > MAX_ASYMMETRY * np.abs(full).max() and asymmetry > ASYMMETRY_ROUNDING:
        raise DataError(f"{name} is not symmetric: it differs from its transpose by {asymmetry:.3g}")
    return 0.5 * (full + full.T)


__getattr__ = old_names_of(__name__)
