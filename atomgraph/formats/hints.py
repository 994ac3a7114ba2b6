"""``FileHints``: elements and units that the user states for a potential's file; they must not contradict the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomgraph.errors import FormatError
from atomgraph.nn.elements import checked_symbols
from atomgraph.old_names import OldAttribute, warn_old_name
from atomgraph.units import ENERGY, LENGTH, factor

FILE_DTYPE = "file dtype"  # key of the metadata: the dtype of the file, if the model has another one
STYLES = {  # LAMMPS unit styles
    "metal": {"energy": "eV", "length": "Å"},
    "real": {"energy": "kcal/mol", "length": "Å"},
    "electron": {"energy": "Hartree", "length": "Bohr"},
}


@dataclass(frozen=True)
class FileHints:
    """Elements and units that the user states.

    Attributes:
        elements: Chemical symbols; None if not stated.
        units: Units, ``{"energy": "eV", "length": "Å"}``; None if not stated.
    """

    elements: list[str] | None = None
    units: dict[str, str] | None = None

    @classmethod
    def from_user(
        cls, elements: Sequence[str] | None = None, units: Mapping[str, str] | str | None = None
    ) -> FileHints:
        """Return checked hints.

        Args:
            elements: Chemical symbols; None if not stated.
            units: Units of energy and length as a mapping, as a text ``"eV/Å"``, or as a LAMMPS unit style; None if not stated.

        Raises:
            FormatError: If a unit is unknown.
        """
        return cls(None if elements is None else checked_symbols(elements), None if units is None else _units(units))

    @classmethod
    def of(cls, elements: Sequence[str] | None = None, units: Mapping[str, str] | str | None = None) -> FileHints:
        """``from_user`` under its name of the last release."""
        warn_old_name("FileHints.of", "FileHints.from_user")
        return cls.from_user(elements, units)

    def resolve_elements(self, path: Path, in_file: Sequence[str] | None) -> list[str]:
        """Return the elements of the file, or those of the user if the file has none.

        Args:
            path: The file, for messages.
            in_file: Elements in the file; None if it has none.

        Raises:
            FormatError: If neither file nor user state elements, or if they differ.
        """
        if in_file is None:
            if self.elements is None:
                raise FormatError(f"{path} does not contain its elements; state elements=['H', 'O'] or --elements H,O")
            return self.elements
        if self.elements is not None and set(self.elements) != set(in_file):
            raise FormatError(f"{path} is for {', '.join(in_file)}, but the user states {', '.join(self.elements)}")
        return list(in_file)

    def resolve_units(self, path: Path, in_file: Mapping[str, str] | None) -> dict[str, str]:
        """Return the units of the file, or those of the user if the file has none.

        Args:
            path: The file, for messages.
            in_file: Units in the file, ``{"energy": ..., "length": ...}``; None if it has none.

        Raises:
            FormatError: If neither file nor user state units, or if they differ.
        """
        if in_file is None:
            if self.units is None:
                raise FormatError(
                    f"{path} does not contain its units; state units='eV/Å' or --units eV/Å (energy/length)"
                )
            return self.units
        if self.units is not None:
            for quantity, table in (("energy", ENERGY), ("length", LENGTH)):
                if table[self.units[quantity]] != table[in_file[quantity]]:
                    raise FormatError(
                        f"{path} is in {in_file['energy']} and {in_file['length']}, "
                        f"but the user states {self.units['energy']} and {self.units['length']}"
                    )
        return dict(in_file)

    settle_elements = OldAttribute("resolve_elements")
    settle_units = OldAttribute("resolve_units")


def _units(units: Mapping[str, str] | str) -> dict[str, str]:
    """Return checked units of energy and length from a mapping, a text or a LAMMPS style."""
    if isinstance(units, str):
        energy, _, length = units.rpartition("/")
        units = STYLES.get(units) or {"energy": energy.strip(), "length": length.strip()}
    if set(units) != {"energy", "length"}:
        raise FormatError(f"units should name energy and length, such as 'eV/Å', but are {dict(units)}")
    factor(units["energy"], ENERGY, "energy")
    factor(units["length"], LENGTH, "length")
    return dict(units)
