"""The door for labels: found under their names, converted to eV and Å, signs set right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.errors import DataError, nearest
from atomgraph.graph.structure import VOIGT, checked_label
from atomgraph.units import ENERGY, FORCE, LENGTH, PRESSURE, factor

LABEL_KEYS = ("energy", "forces", "stress", "virial")
KEYS = (*LABEL_KEYS, "config_type", "head", "charge", "spin")
UNITS = ("energy", "length", "forces", "stress", "virial", "stress_sign", "virial_sign")
SIGNS = {"tension": 1.0, "compression": -1.0}


class Door:
    r"""Takes labels by configured names and units, and gives them in eV, eV/Å, eV/Å³.

    A virial becomes a stress, :math:`\sigma = -W/V`. Stresses are positive in tension unless ``stress_sign: compression`` says
    otherwise; virials are positive in compression unless ``virial_sign: tension``.
    A unit that is not named follows the others: forces are energy/length, stresses energy/length³, virials energies.
    ``length`` is the unit of positions and cells.

    Raises DataError for unknown keys and units, with the nearest known one.
    """

    def __init__(self, keys: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None):
        self.keys = _known(keys, KEYS, "keys")
        self._set_factors(_known(units, UNITS, "units"))
        self.seen: Counter[str] = Counter()
        self.offered: Counter[str] = Counter()
        self.n_frames = 0

    def _set_factors(self, units: dict[str, str]) -> None:
        energy = factor(units.get("energy", "eV"), ENERGY, "energy")
        self.length = factor(units.get("length", "Å"), LENGTH, "length")
        forces = energy / self.length
        stress = energy / self.length**3
        if "forces" in units:
            forces = factor(units["forces"], FORCE, "forces")
        if "stress" in units:
            stress = factor(units["stress"], PRESSURE, "stress")
        virial = factor(units["virial"], ENERGY, "virial") if "virial" in units else energy
        self.factors = {
            "energy": energy,
            "forces": forces,
            "stress": stress * factor(units.get("stress_sign", "tension"), SIGNS, "stress_sign"),
            "virial": virial * factor(units.get("virial_sign", "compression"), SIGNS, "virial_sign"),
        }

    def admit(self, raw: ase.Atoms) -> ase.Atoms:
        """The frame in Å with its labels in eV and Å on a calculator, and no second truth in ``info`` and ``arrays``."""
        places = _places(raw)
        self.n_frames += 1
        self.offered.update({name for place in places for name in place})
        found = {name: self._find(name, places) for name in LABEL_KEYS}
        atoms = raw.copy()
        atoms.calc = None
        for name in ("energy", "forces", "stress"):
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
        if self.length != 1.0:
            atoms.set_cell(atoms.cell.array * self.length)
            atoms.positions = atoms.positions * self.length
        kind = self._find("config_type", places)
        atoms.info["config_type"] = "default" if kind is None else str(kind)
        head = self._find("head", places)
        if head is not None:
            atoms.info["head"] = str(head)
        for name in ("charge", "spin"):
            if name in self.keys and (value := self._find(name, places)) is not None:
                atoms.info[name] = value
        labels = self._labels(found, atoms)
        if labels:
            atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms

    def _labels(self, found: dict[str, Any], atoms: ase.Atoms) -> dict[str, Any]:
        labels: dict[str, Any] = {}
        for name in ("energy", "forces"):
            if found[name] is not None:
                labels[name] = self.factors[name] * checked_label(name, _numbers(name, found[name]), len(atoms))
        volume = abs(np.linalg.det(atoms.cell.array)) if atoms.pbc.any() else 0.0
        if found["stress"] is not None:
            stress = self.factors["stress"] * _symmetric("stress", found["stress"], len(atoms))
        elif found["virial"] is not None and volume > 0:
            stress = self.factors["virial"] * _symmetric("virial", found["virial"], len(atoms)) / volume
        else:
            return labels
        if volume > 0:  # without a volume there is no stress, whatever a program wrote
            labels["stress"] = stress.reshape(9)[list(VOIGT)]
        return labels

    def _find(self, name: str, places: list[Mapping[str, Any]]) -> Any:
        key = self.keys.get(name, name)
        for place in places:
            if key in place and place[key] is not None:
                self.seen[name] += 1
                return place[key]
        return None

    def check_seen(self, files: str) -> None:
        """DataError for a configured key that no frame carried, with the keys that are there."""
        for name, key in self.keys.items():
            if not self.seen[name]:
                there = ", ".join(sorted(self.offered)) or "none"
                raise DataError(
                    f"no frame of {files} carries the key {key!r} that is configured for {name}; keys there: {there}"
                )


def _places(atoms: ase.Atoms) -> list[Mapping[str, Any]]:
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
        full = checked_label("stress", _numbers(name, value), n_atoms)
    except ValueError as error:
        raise DataError(str(error).replace("stress", name)) from error
    skew = np.abs(full - full.T).max()
    if skew > 0.05 * np.abs(full).max() and skew > 1e-6:
        raise DataError(f"{name} is not symmetric: it differs from its transpose by {skew:.3g}")
    return 0.5 * (full + full.T)


def _known(given: Mapping[str, str] | None, known: tuple[str, ...], what: str) -> dict[str, str]:
    given = dict(given or {})
    for name, value in given.items():
        if name not in known:
            raise DataError(f"unknown entry {name!r} in {what}{nearest(name, known)}")
        if not isinstance(value, str):
            raise DataError(f"{what}.{name} should be a word, but is {value!r}")
    return given
