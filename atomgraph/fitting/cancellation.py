"""Cancellation of terms in a linear fit, the digits that remain, and the dtypes that are accurate enough."""

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
from atomgraph.potential import Potential

_SAMPLE = 40  # structures looked at
_EDGES = 4_000  # in a batch
_FEW = 4  # structures evaluated in float32
FLOAT32_ERROR = 5e-4  # of the largest force: half of what the laws allow
FLOAT32_ORDER = 5e-5  # relative: half of what the law allows
#: Of energies that float32 must leave: with 3 its laws fail (forces against differences, rotation), with 4.3 none.
FLOAT32_DIGITS = 4.0
LEAST_DIGITS = 6.0  # with fewer, float64 is not enough either


@dataclass(frozen=True)
class Cancellation:
    """Terms of the energies of atoms, and what their rounding leaves.

    Attributes:
        terms: The largest sum of |terms| of an atom, eV.
        ratio: The same over the root mean square of the sums themselves.
        float32_error: The largest error of forces in float32, relative to the largest force.
        float32_order: The largest relative change of a result in float32 when atoms come in another order.
    """

    terms: float
    ratio: float
    float32_error: float
    float32_order: float = 0.0

    @property
    def digits(self) -> dict[str, float]:
        """Decimal digits of an atom's energy that are left, by dtype."""
        dtypes = {"float64": torch.float64, "float32": torch.float32}
        return {
            name: max(0.0, -log10(torch.finfo(dtype).eps) - log10(max(self.ratio, 1.0)))
            for name, dtype in dtypes.items()
        }

    @property
    def dtypes(self) -> list[str]:
        """Names of the dtypes that the potential may compute in: both forces and energies are looked at."""
        fit = (
            self.float32_error <= FLOAT32_ERROR
            and self.float32_order <= FLOAT32_ORDER
            and self.digits["float32"] >= FLOAT32_DIGITS
        )
        return ["float64", "float32"] if fit else ["float64"]

    def to_json(self) -> dict[str, Any]:
        """The entry ``precision`` of a potential's metadata."""
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
        if self.digits["float64"] < LEAST_DIGITS:
            allowed += (
                ", and energies and forces contradict each other even so; raise fit.jitter or the values of fit.sigma"
            )
        return (
            f"energies of atoms are sums of up to {self.terms:.1e} eV of |terms|, {self.ratio:.1e} times the sums: of "
            f"float64's digits {self.digits['float64']:.0f} are left, of float32's {self.digits['float32']:.0f}; forces in "
            f"float32 are off by up to {self.float32_error:.0e} of the largest: for {allowed}"
        )


@torch.no_grad()
def cancellation_of(
    potential: Potential, weights: Tensor, graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms]
) -> Cancellation:
    """The cancellation of a potential whose weights were solved for.

    Args:
        potential: In float64.
        weights: What was solved for, (n_unknowns,).
        graphs: Of the training structures, of which some are looked at.
        frames: The same structures; the structures of the laws are added, because they differ from all of them.
    """
    chosen = graphs[:: max(1, len(graphs) // _SAMPLE)]
    parts = [_terms(potential, weights, batch.to(potential.device)) for batch in budget_batches(chosen, _EDGES)]
    size, total = (torch.cat(both) for both in zip(*parts, strict=True))
    terms, usual = float(size.max()), float(total.square().mean().sqrt())
    structures: Mapping[str, ase.Atoms] = sample_structures(potential.elements)
    some = {f"training {i}": frames[i] for i in range(0, len(frames), max(1, -(-len(frames) // _FEW)))}
    error = float32_error(potential, {**structures, **some})
    order = order_of_atoms(LawContext(in_dtype(potential, torch.float32), structures)).figure
    return Cancellation(terms, terms / usual if usual > 0 else 1.0, error, order)


def _terms(potential: Potential, weights: Tensor, batch: AtomicGraph) -> tuple[Tensor, Tensor]:
    """Sums of |terms| and of terms of each atom, (n_atoms,), eV."""
    model = potential.model
    edges = model.edges(batch)
    size, total = edges.length.new_zeros(edges.n_atoms), edges.length.new_zeros(edges.n_atoms)
    for block in LinearWeights(model):
        h = block.branch.features(batch, edges.within(block.branch.cutoff))[block.depth]
        for element in torch.unique(edges.element).tolist():
            rows = torch.nonzero(edges.element == element)[:, 0]
            basis, own = block.solvable.basis(h[rows], element), weights[block.columns_of(element)].to(h)
            size[rows] += basis.abs() @ own.abs()
            total[rows] += basis @ own
    scale = model.baseline.scale[0].to(size)
    return size * scale, total * scale
