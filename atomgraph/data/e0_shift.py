"""The energy shift of each element between labels and a model, as far as the compositions determine it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Self

import ase
import numpy as np
from ase.data import atomic_numbers
from ase.formula import Formula

from atomgraph.data.frame_names import format_count
from atomgraph.old_names import OldAttribute, old_names_of

SPACE_TOLERANCE = 1e-6  # relative part of a composition outside the determined space that counts as zero
SINGULAR_TOLERANCE = 1e-10  # singular values below this fraction of the largest count as zero


@dataclass(frozen=True, eq=False)
class EnergyShift:
    r"""The shift :math:`\Delta_z` of each element that minimises the difference between labels and energies of a model.

    Attributes:
        elements: Chemical symbols.
        shift: Shift of each element, (n_elements,), eV.
        error: Standard error of the shift, (n_elements,), eV; NaN for an element whose own shift is not determined.
        basis: Orthonormal basis of the determined compositions, (rank, n_elements).
        determined_formulas: Formulas of elements whose own shift is not determined, for which the sum of shifts is determined.
        rms_before: RMS of label − prediction without the shift, eV/atom.
        rms_after: RMS of label − prediction with the shift, eV/atom.
        n_structures: Number of structures.
    """

    elements: list[str]
    shift: np.ndarray
    error: np.ndarray
    basis: np.ndarray
    determined_formulas: list[str]
    rms_before: float
    rms_after: float
    n_structures: int

    before = OldAttribute("rms_before")
    residual = OldAttribute("rms_after")

    @property
    def rank(self) -> int:
        """Dimension of the space of determined compositions."""
        return len(self.basis)

    @property
    def by_element(self) -> dict[str, float]:
        """Shift by chemical symbol, eV."""
        return dict(zip(self.elements, self.shift.tolist(), strict=True))

    @property
    def determined(self) -> list[str]:
        """Elements whose own shift is determined."""
        overlap = (self.basis**2).sum(0)  # (n_elements,), square length of each unit vector's projection on the basis
        return [s for s, square in zip(self.elements, overlap, strict=True) if square > 1 - SPACE_TOLERANCE]

    @property
    def undetermined(self) -> list[str]:
        """Elements whose own shift is not determined."""
        return [symbol for symbol in self.elements if symbol not in self.determined]

    def determines(self, atoms: ase.Atoms) -> bool:
        """Return whether the shift of a structure's energy is determined; other elements than ``elements`` are ignored."""
        counts = count_atoms([atoms], self.elements)[0]
        outside = counts - self.basis.T @ (self.basis @ counts)
        return bool(np.linalg.norm(outside) <= SPACE_TOLERANCE * max(float(np.linalg.norm(counts)), 1.0))

    def undetermined_formulas(self, frames: Sequence[ase.Atoms]) -> list[str]:
        """Return the formulas of the structures whose shift is not determined, without repetition."""
        atoms_by_formula = {atoms.get_chemical_formula("hill"): atoms for atoms in frames} if self.undetermined else {}
        return [formula for formula, atoms in atoms_by_formula.items() if not self.determines(atoms)]

    def ratio_to(self, energies: Mapping[str, float]) -> tuple[float, float]:
        """Fit the shift by a multiple of given energies, in the space of determined compositions.

        Args:
            energies: Energy of each element by chemical symbol, eV.

        Returns:
            The factor, and the relative norm of the residual; (0, 1) if the shift or the energies are zero in this space.
        """
        projected_energies = self.basis @ np.array([energies[symbol] for symbol in self.elements])
        projected_shift = self.basis @ self.shift
        square_norm = float(projected_energies @ projected_energies)
        if not square_norm > 0 or not projected_shift.any():
            return 0.0, 1.0
        factor = float(projected_energies @ projected_shift) / square_norm
        return factor, float(
            np.linalg.norm(projected_shift - factor * projected_energies) / np.linalg.norm(projected_shift)
        )

    def describe_undetermined(self) -> str:
        """Return a text on the elements whose own shift is not determined; empty if there are none."""
        if not self.undetermined:
            return ""
        n_undetermined = len(self.elements) - self.rank
        determined = f"; {_join_words(self.determined)} separately" if self.determined else ""
        return (
            f"{_join_words(self.undetermined)} only together as {_join_words(self.determined_formulas)}{determined} "
            f"({n_undetermined} direction{'s' * (n_undetermined > 1)} of composition undetermined)"
        )

    missing = OldAttribute("describe_undetermined")

    def describe(self) -> str:
        """Return shift of each element, rank and RMS differences as one line of text."""
        shifts = ", ".join(f"{symbol} {value:+.4f}" for symbol, value in self.by_element.items())
        text = f"{shifts} eV; rank {self.rank} of {len(self.elements)}, {format_count(self.n_structures, 'energy')}; "
        text += (
            f"RMS of label − prediction {1e3 * self.rms_before:.4g} meV/atom before, {1e3 * self.rms_after:.4g} after"
        )
        return f"{text}; determined: {self.describe_undetermined()}" if self.undetermined else text

    def to_json(self) -> dict[str, Any]:
        """Return the shift as JSON values, for the metadata of a potential."""
        return {
            "elements": self.elements,
            "shift": self.shift.tolist(),
            "error": [value if np.isfinite(value) else None for value in self.error.tolist()],
            "basis": self.basis.tolist(),
            "together": self.determined_formulas,
            "before": self.rms_before,
            "residual": self.rms_after,
            "n_structures": self.n_structures,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the shift from the result of ``to_json``."""
        numbers = {name: np.array(record[name], dtype=float) for name in ("shift", "error", "basis")}
        numbers["basis"] = numbers["basis"].reshape(-1, len(record["elements"]))
        attributes = {"together": "determined_formulas", "before": "rms_before", "residual": "rms_after"}
        values = {attributes.get(name, name): value for name, value in record.items()}
        return cls(**(values | numbers))

    together = OldAttribute("determined_formulas")
    alone = OldAttribute("determined")
    open = OldAttribute("undetermined")
    strangers = OldAttribute("undetermined_formulas")
    times = OldAttribute("ratio_to")


def energy_shift(counts: np.ndarray, difference: np.ndarray, elements: Sequence[str]) -> EnergyShift:
    r"""Return the shift of each element by least squares, :math:`\min_\Delta \sum_s (d_s - \sum_z n_{sz}\Delta_z)^2 / N_s^2`.

    If there are several solutions, the result is the one with the smallest norm, the smallest change of a model's E0.

    Args:
        counts: Number of atoms of each element, (n_structures, n_elements).
        difference: Label − prediction of each structure, (n_structures,), eV.
        elements: Chemical symbols.
    """
    n_atoms = counts.sum(1)
    composition, per_atom = counts / n_atoms[:, None], difference / n_atoms
    u, singular, vt = np.linalg.svd(composition, full_matrices=False)
    rank = int((singular > SINGULAR_TOLERANCE * singular.max(initial=0.0)).sum())
    basis = vt[:rank]
    shift = basis.T @ ((u[:, :rank].T @ per_atom) / singular[:rank])
    residual = per_atom - composition @ shift
    n_free = len(per_atom) - rank  # degrees of freedom
    variance = (
        (residual @ residual) / n_free * ((basis / singular[:rank, None]) ** 2).sum(0) if n_free else np.nan * shift
    )
    is_determined = (basis**2).sum(0) > 1 - SPACE_TOLERANCE
    return EnergyShift(
        elements=list(elements),
        shift=shift,
        error=np.where(is_determined, np.sqrt(variance), np.nan),
        basis=basis,
        determined_formulas=_determined_formulas(counts, is_determined, list(elements)),
        rms_before=_rms(per_atom),
        rms_after=_rms(residual),
        n_structures=len(difference),
    )


def count_atoms(frames: Sequence[ase.Atoms], elements: Sequence[str]) -> np.ndarray:
    """Return the number of atoms of each element, (n_frames, n_elements); other elements are not counted."""
    numbers = [atomic_numbers[symbol] for symbol in elements]
    return np.array([np.bincount(atoms.numbers, minlength=119)[numbers] for atoms in frames]).reshape(-1, len(numbers))


def _determined_formulas(counts: np.ndarray, is_determined: np.ndarray, elements: list[str]) -> list[str]:
    """Return linearly independent formulas of the elements whose own shift is not determined.

    Args:
        counts: Number of atoms of each element, (n_structures, n_elements).
        is_determined: Whether the own shift of each element is determined, (n_elements,) bool.
        elements: Chemical symbols.
    """
    rows = np.unique(counts[:, ~is_determined].astype(int), axis=0)
    symbols = [symbol for symbol, determined in zip(elements, is_determined, strict=True) if not determined]
    return [_formula(symbols, row) for row in _independent_rows(rows[rows.any(axis=1)])] if symbols else []


def _independent_rows(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows that are linearly independent of the rows before them, small formulas first."""
    basis = np.zeros((0, rows.shape[1]))
    for row in sorted(rows, key=lambda r: (r.sum(), *(-r))):
        candidate = np.vstack([basis, row / np.linalg.norm(row)])
        if np.linalg.matrix_rank(candidate, tol=SPACE_TOLERANCE) == len(candidate):
            basis = candidate
            yield row


def _formula(symbols: Sequence[str], counts: np.ndarray) -> str:
    """Return the reduced formula for numbers of atoms, (n_symbols,)."""
    divisor = gcd(*(int(count) for count in counts))
    reduced_counts = {symbol: int(count) // divisor for symbol, count in zip(symbols, counts, strict=True) if count}
    return Formula.from_dict(reduced_counts).format("hill")


def _join_words(words: Sequence[str]) -> str:
    """Return words as text: ``A, B and C``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0


__getattr__ = old_names_of(__name__)
