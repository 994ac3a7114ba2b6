"""Hints of the user about a potential's file: used if the file lacks them, refused if it contradicts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomgraph.errors import FormatError
from atomgraph.nn.elements import checked_symbols
from atomgraph.units import ENERGY, LENGTH, factor

FILE_DTYPE = "file dtype"  # key of a reader's metadata: the dtype of the file, if the model is given in a wider one
STYLES = {  # LAMMPS's names for pairs of units
    "metal": {"energy": "eV", "length": "Å"},
    "real": {"energy": "kcal/mol", "length": "Å"},
    "electron": {"energy": "Hartree", "length": "Bohr"},
}


@dataclass(frozen=True)
class FileHints:
    """Elements (chemical symbols) and units (``{"energy": "eV", "length": "Å"}``) given by the user, or None."""

    elements: list[str] | None = None
    units: dict[str, str] | None = None

    @classmethod
    def of(cls, elements: Sequence[str] | None = None, units: Mapping[str, str] | str | None = None) -> FileHints:
        """Checked hints; units also as ``"eV/Å"`` (energy/length) or a LAMMPS style. FormatError for unknown words."""
        return cls(None if elements is None else checked_symbols(elements), None if units is None else _units(units))

    def settle_elements(self, path: Path, in_file: Sequence[str] | None) -> list[str]:
        """Elements of the file, or else those of the user. FormatError if there are none, or if they differ."""
        if in_file is None:
            if self.elements is None:
                raise FormatError(
                    f"{path} does not say which elements it is for; say elements=['H', 'O'] or --elements H,O"
                )
            return self.elements
        if self.elements is not None and set(self.elements) != set(in_file):
            raise FormatError(f"{path} is for {', '.join(in_file)}, but {', '.join(self.elements)} was asked for")
        return list(in_file)

    def settle_units(self, path: Path, in_file: Mapping[str, str] | None) -> dict[str, str]:
        """Units of the file, or else those of the user. FormatError if there are none, or if they differ."""
        if in_file is None:
            if self.units is None:
                raise FormatError(f"{path} does not say its units; say units='eV/Å' or --units eV/Å (energy/length)")
            return self.units
        if self.units is not None:
            for quantity, table in (("energy", ENERGY), ("length", LENGTH)):
                if table[self.units[quantity]] != table[in_file[quantity]]:
                    raise FormatError(
                        f"{path} is in {in_file['energy']} and {in_file['length']}, "
                        f"but {self.units['energy']} and {self.units['length']} was asked for"
                    )
        return dict(in_file)


def _units(units: Mapping[str, str] | str) -> dict[str, str]:
    if isinstance(units, str):
        energy, _, length = units.rpartition("/")
        units = STYLES.get(units) or {"energy": energy.strip(), "length": length.strip()}
    if set(units) != {"energy", "length"}:
        raise FormatError(f"units should name energy and length, such as 'eV/Å', but are {dict(units)}")
    factor(units["energy"], ENERGY, "energy")
    factor(units["length"], LENGTH, "length")
    return dict(units)
