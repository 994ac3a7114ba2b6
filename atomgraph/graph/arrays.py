"""``StructureArrays``: a structure as numpy arrays, from ASE or from another program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.data import chemical_symbols

from atomgraph.errors import GraphError


@dataclass(frozen=True, eq=False)
class StructureArrays:
    """Positions, elements and periodicity of one structure.

    Attributes:
        positions: Positions, (n_atoms, 3), Å, float64.
        numbers: Atomic numbers, (n_atoms,).
        cell: Cell vectors as rows, (3, 3), Å; zeros for a missing vector.
        pbc: Periodicity along each cell vector, (3,), bool.
    """

    positions: np.ndarray
    numbers: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    @classmethod
    def from_ase(cls, atoms: ase.Atoms) -> StructureArrays:
        """Return the arrays of an ASE structure; positions are copied only if they are not contiguous float64.

        Raises:
            GraphError: If positions are not real numbers.
        """
        return cls(real_positions(atoms.arrays["positions"]), atoms.numbers, atoms.cell.array, atoms.pbc)

    @classmethod
    def from_arrays(cls, positions: Any, numbers: Any, cell: Any, pbc: Any) -> StructureArrays:
        """Return checked arrays from array-like values.

        Args:
            positions: Positions, (n_atoms, 3), Å.
            numbers: Atomic numbers, (n_atoms,).
            cell: Cell vectors as rows, (3, 3), Å; None for no cell.
            pbc: Periodicity along each cell vector, (3,), bool, or one bool for all.

        Raises:
            GraphError: If a value has a wrong shape or type.
        """
        structure = cls(
            positions=real_positions(np.asarray(positions)),
            numbers=np.asarray(numbers),
            cell=np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64),
            pbc=np.broadcast_to(np.asarray(pbc, dtype=np.bool_), (3,)).copy()
            if np.size(pbc) in (1, 3)
            else np.array(pbc),
        )
        n_atoms = len(structure.positions) if structure.positions.ndim else 0
        shapes = {"positions": (n_atoms, 3), "numbers": (n_atoms,), "cell": (3, 3), "pbc": (3,)}
        for name, shape in shapes.items():
            value = getattr(structure, name)
            if value.shape != shape:
                raise GraphError(f"{name} should have shape {shape} for {n_atoms} atoms, but has {value.shape}")
        if not np.issubdtype(structure.numbers.dtype, np.integer):
            raise GraphError(f"atomic numbers should be integers, but are {structure.numbers.dtype}")
        return structure

    def __len__(self) -> int:
        return len(self.positions)

    def atom_name(self, row: int) -> str:
        """Return the name of an atom for error messages: its row and element."""
        return f"atom {row} ({chemical_symbols[self.numbers[row]]})"


def as_arrays(structure: ase.Atoms | StructureArrays) -> StructureArrays:
    """Return the arrays of an ASE structure; arrays are returned unchanged."""
    return structure if isinstance(structure, StructureArrays) else StructureArrays.from_ase(structure)


def real_positions(positions: np.ndarray) -> np.ndarray:
    """Return positions as contiguous float64 in native byte order; the same array if it has this form.

    Args:
        positions: Positions, (n_atoms, 3), Å.

    Raises:
        GraphError: If positions are not real numbers.
    """
    if positions.dtype == np.float64 and positions.dtype.isnative and positions.flags.c_contiguous:
        return positions
    if not (np.issubdtype(positions.dtype, np.number) and np.isrealobj(positions)):
        raise GraphError(f"positions should be real numbers, but are {positions.dtype}")
    return np.ascontiguousarray(positions, dtype=np.float64)
