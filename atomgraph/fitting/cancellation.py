"""Cancellation of terms in a linear fit: the accurate digits of energies, and the dtypes with enough of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import ase
import torch
from torch import Tensor

from atomgraph.analysis.laws.context import LawContext
from atomgraph.analysis.laws.side_effects import float32_error, in_dtype
from atomgraph.analysis.laws.structures import sample_structures
from atomgraph.analysis.laws.symmetry import order_of_atoms
from atomgraph.data import budget_batches
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

_N_STRUCTURES = 40  # approximate number of training structures whose terms are summed
_EDGE_BUDGET = 4_000  # edges per batch
_N_FLOAT32 = 4  # largest number of training structures for errors in float32
FLOAT32_ERROR = 5e-4  # largest force error relative to the largest force: half of the tolerance of ``atomgraph check``
FLOAT32_ORDER = 5e-5  # largest relative change with the order of atoms: half of the tolerance of ``atomgraph check``
#: Digits of energies needed in float32. With 3, ``atomgraph check`` fails (finite differences, rotations); with 4.3, it passes.
FLOAT32_DIGITS = 4.0
FLOAT64_DIGITS = 6.0  # digits of energies needed in float64


@dataclass(frozen=True)
class Cancellation:
    """Size of the terms of atomic energies, and the errors due to their rounding.

    Attributes:
        terms: Largest sum of |terms| of an atom, eV.
        ratio: ``terms`` divided by the root mean square of the sums of terms of all atoms; 1 if all sums are zero.
        float32_error: Largest error of forces in float32, relative to the largest force.
        float32_order: Largest relative change of a result in float32 when the order of atoms changes.
    """

    terms: float
    ratio: float
    float32_error: float
    float32_order: float = 0.0

    @property
    def digits(self) -> dict[str, float]:
        """Accurate decimal digits of an atomic energy, by dtype."""
        dtypes = {"float64": torch.float64, "float32": torch.float32}
        return {
            name: max(0.0, -log10(torch.finfo(dtype).eps) - log10(max(self.ratio, 1.0)))
            for name, dtype in dtypes.items()
        }

    @property
    def dtypes(self) -> list[str]:
        """``float64``, and ``float32`` if energies and forces are accurate enough in float32."""
        allows_float32 = (
            self.float32_error <= FLOAT32_ERROR
            and self.float32_order <= FLOAT32_ORDER
            and self.digits["float32"] >= FLOAT32_DIGITS
        )
        return ["float64", "float32"] if allows_float32 else ["float64"]

    def to_json(self) -> dict[str, Any]:
        """Return the entry ``precision`` of a potential's metadata."""
        return {
            "terms": self.terms,
            "cancellation": self.ratio,
            "digits": {name: round(value, 1) for name, value in self.digits.items()},
            "float32_error": self.float32_error,
            "float32_order": self.float32_order,
            "dtypes": self.dtypes,
        }

    def __str__(self) -> str:
        allowed = "float64 or float32" if len(self.dtypes) > 1 else "float64 only"
        if self.digits["float64"] < FLOAT64_DIGITS:
            allowed += ", but even in float64 forces do not match finite differences of energies; raise fit.jitter or fit.sigma"
        return (
            f"terms of an atomic energy cancel: their absolute values sum to {self.terms:.1e} eV, {self.ratio:.1e} times the "
            f"energy; accurate digits: {self.digits['float64']:.0f} in float64, {self.digits['float32']:.0f} in float32; force "
            f"errors in float32: up to {self.float32_error:.0e} of the largest force; use {allowed}"
        )


@torch.no_grad()
def measure_cancellation(
    potential: Potential, weights: Tensor, graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms]
) -> Cancellation:
    """Measure the cancellation of terms in a fitted potential.

    Args:
        potential: Potential with the fitted weights, in float64.
        weights: Fitted weights, (n_unknowns,).
        graphs: Graphs of the training structures; at most 79 of them, at equal intervals, are evaluated.
        frames: The same structures as ASE objects; at most 4 are evaluated in float32, with the test structures of
            ``atomgraph check``, which differ from the training structures.
    """
    sample = graphs[:: max(1, len(graphs) // _N_STRUCTURES)]
    parts = [_terms(potential, weights, batch.to(potential.device)) for batch in budget_batches(sample, _EDGE_BUDGET)]
    absolute_sums, sums = (torch.cat(values) for values in zip(*parts, strict=True))
    terms, rms_energy = float(absolute_sums.max()), float(sums.square().mean().sqrt())
    structures: Mapping[str, ase.Atoms] = sample_structures(potential.elements)
    training = {f"training {i}": frames[i] for i in range(0, len(frames), max(1, -(-len(frames) // _N_FLOAT32)))}
    error = float32_error(potential, {**structures, **training})
    order_error = order_of_atoms(LawContext(in_dtype(potential, torch.float32), structures)).value
    return Cancellation(terms, terms / rms_energy if rms_energy > 0 else 1.0, error, order_error)


def _terms(potential: Potential, weights: Tensor, batch: AtomicGraph) -> tuple[Tensor, Tensor]:
    """Return the sums of |terms| and of terms of each atom, both (n_atoms,), eV."""
    model = potential.model
    edges = model.edges(batch)
    absolute_sums, sums = edges.length.new_zeros(edges.n_atoms), edges.length.new_zeros(edges.n_atoms)
    for block in LinearWeights(model):
        h = block.branch.features(batch, edges.within(block.branch.cutoff))[block.depth]
        for element in torch.unique(edges.element).tolist():
            rows = torch.nonzero(edges.element == element)[:, 0]
            basis = block.linear_readout.basis(h[rows], element)
            element_weights = weights[block.element_columns(element)].to(h)
            absolute_sums[rows] += basis.abs() @ element_weights.abs()
            sums[rows] += basis @ element_weights
    scale = model.baseline.scale[0].to(sums)
    return absolute_sums * scale, sums * scale


__getattr__ = old_names_of(__name__)
