"""The shift of each element's energy between labels and a model, as far as compositions determine it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Self

import ase
import numpy as np
from ase.data import atomic_numbers
from ase.formula import Formula

from atomgraph.data.frame_names import number_of

OPEN = 1e-6  # a share of a composition that lies outside what was determined counts from here
SINGULAR = 1e-10  # of the largest singular value: smaller ones are zero


@dataclass(frozen=True, eq=False)
class EnergyShift:
    r"""The shift :math:`\Delta_z` of each element that takes a model's energies nearest to the labels.

    Attributes:
        elements: Chemical symbols.
        shift: (n_elements,) eV.
        error: (n_elements,) its standard error, eV; NaN for an element that is not determined by itself.
        basis: (rank, n_elements), orthonormal: the directions of composition that are determined.
        determined_formulas: What is determined only as a whole, as formulas.
        before, residual: RMS of label − prediction per atom without the shift and with it, eV/atom.
    """

    elements: list[str]
    shift: np.ndarray
    error: np.ndarray
    basis: np.ndarray
    determined_formulas: list[str]
    before: float
    residual: float
    n_structures: int

    @property
    def rank(self) -> int:
        """How many directions of composition the structures determine."""
        return len(self.basis)

    @property
    def by_element(self) -> dict[str, float]:
        """The shift by chemical symbol, eV."""
        return dict(zip(self.elements, self.shift.tolist(), strict=True))

    @property
    def determined(self) -> list[str]:
        """Elements whose shift is determined by itself."""
        share = (self.basis**2).sum(0)  # (n_elements,) of each unit vector's length inside the determined space
        return [symbol for symbol, inside in zip(self.elements, share, strict=True) if inside > 1 - OPEN]

    @property
    def undetermined(self) -> list[str]:
        """Elements whose shift has no meaning by itself."""
        return [symbol for symbol in self.elements if symbol not in self.determined]

    def determines(self, atoms: ase.Atoms) -> bool:
        """Whether a structure's energy has the same shift whatever solution is taken; elements without a shift have none."""
        counts = counts_of([atoms], self.elements)[0]
        outside = counts - self.basis.T @ (self.basis @ counts)
        return bool(np.linalg.norm(outside) <= OPEN * max(float(np.linalg.norm(counts)), 1.0))

    def undetermined_formulas(self, frames: Sequence[ase.Atoms]) -> list[str]:
        """Formulas of the structures whose energy depends on what was not determined, each once."""
        seen = {atoms.get_chemical_formula("hill"): atoms for atoms in frames} if self.undetermined else {}
        return [formula for formula, atoms in seen.items() if not self.determines(atoms)]

    def ratio_to(self, energies: Mapping[str, float]) -> tuple[float, float]:
        """How many times these energies (eV by chemical symbol) the shift is, and what share of it is left over.

        Both as far as compositions determine them; (0, 1) where they say nothing of the energies.
        """
        of_element = self.basis @ np.array([energies[symbol] for symbol in self.elements])
        shift = self.basis @ self.shift
        size = float(of_element @ of_element)
        if not size > 0 or not shift.any():
            return 0.0, 1.0
        factor = float(of_element @ shift) / size
        return factor, float(np.linalg.norm(shift - factor * of_element) / np.linalg.norm(shift))

    def missing(self) -> str:
        """What is not determined, in words; empty where everything is."""
        if not self.undetermined:
            return ""
        n = len(self.elements) - self.rank
        known = (
            f"; {_listed(self.determined)} by {'itself' if len(self.determined) == 1 else 'themselves'}"
            if self.determined
            else ""
        )
        return (
            f"{_listed(self.undetermined)} only as {_listed(self.determined_formulas)} as a whole{known} "
            f"({n} direction{'s' * (n > 1)} of composition left open)"
        )

    def describe(self) -> str:
        """Shift per element, rank and residual in a line."""
        shifts = ", ".join(f"{symbol} {value:+.4f}" for symbol, value in self.by_element.items())
        words = f"{shifts} eV; rank {self.rank} of {len(self.elements)}, {number_of(self.n_structures, 'energy')}; "
        words += f"RMS of label − prediction {1e3 * self.before:.4g} meV/atom before, {1e3 * self.residual:.4g} after"
        return f"{words}; determined: {self.missing()}" if self.undetermined else words

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the potential's metadata."""
        return {
            "elements": self.elements,
            "shift": self.shift.tolist(),
            "error": [value if np.isfinite(value) else None for value in self.error.tolist()],
            "basis": self.basis.tolist(),
            "together": self.determined_formulas,
            "before": self.before,
            "residual": self.residual,
            "n_structures": self.n_structures,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What ``to_json`` gave."""
        numbers = {name: np.array(record[name], dtype=float) for name in ("shift", "error", "basis")}
        numbers["basis"] = numbers["basis"].reshape(-1, len(record["elements"]))
        named = {"determined_formulas" if name == "together" else name: value for name, value in record.items()}
        return cls(**(named | numbers))


def energy_shift(counts: np.ndarray, difference: np.ndarray, elements: Sequence[str]) -> EnergyShift:
    r"""Least squares of label − prediction on atom counts, :math:`\min_\Delta \sum_s (d_s - \sum_z n_{sz}\Delta_z)^2 / N_s^2`.

    Of all solutions the one of minimum norm: the smallest change of a model's E0.

    Args:
        counts: (n_structures, n_elements) atoms.
        difference: (n_structures,) label − prediction of whole structures, eV.
    """
    n_atoms = counts.sum(1)
    share, per_atom = counts / n_atoms[:, None], difference / n_atoms
    u, singular, vt = np.linalg.svd(share, full_matrices=False)
    rank = int((singular > SINGULAR * singular.max(initial=0.0)).sum())
    basis = vt[:rank]
    shift = basis.T @ ((u[:, :rank].T @ per_atom) / singular[:rank])
    rest = per_atom - share @ shift
    freedom = len(per_atom) - rank
    variance = (rest @ rest) / freedom * ((basis / singular[:rank, None]) ** 2).sum(0) if freedom else np.nan * shift
    alone = (basis**2).sum(0) > 1 - OPEN
    return EnergyShift(
        elements=list(elements),
        shift=shift,
        error=np.where(alone, np.sqrt(variance), np.nan),
        basis=basis,
        determined_formulas=_determined_formulas(counts, alone, list(elements)),
        before=_rms(per_atom),
        residual=_rms(rest),
        n_structures=len(difference),
    )


def counts_of(frames: Sequence[ase.Atoms], elements: Sequence[str]) -> np.ndarray:
    """(n_frames, n_elements) numbers of atoms; other elements are not counted."""
    numbers = [atomic_numbers[symbol] for symbol in elements]
    return np.array([np.bincount(atoms.numbers, minlength=119)[numbers] for atoms in frames]).reshape(-1, len(numbers))


def _determined_formulas(counts: np.ndarray, alone: np.ndarray, elements: list[str]) -> list[str]:
    """Formulas that span what is determined of the elements that are not determined alone."""
    left = np.unique(counts[:, ~alone].astype(int), axis=0)
    names = [symbol for symbol, known in zip(elements, alone, strict=True) if not known]
    return [_formula(names, row) for row in _independent(left[left.any(axis=1)])] if names else []


def _independent(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows, small ones first, that are no combination of those before."""
    basis = np.zeros((0, rows.shape[1]))
    for row in sorted(rows, key=lambda r: (r.sum(), *(-r))):
        candidate = np.vstack([basis, row / np.linalg.norm(row)])
        if np.linalg.matrix_rank(candidate, tol=OPEN) == len(candidate):
            basis = candidate
            yield row


def _formula(symbols: Sequence[str], counts: np.ndarray) -> str:
    common = gcd(*(int(count) for count in counts))
    present = {symbol: int(count) // common for symbol, count in zip(symbols, counts, strict=True) if count}
    return Formula.from_dict(present).format("hill")


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0
