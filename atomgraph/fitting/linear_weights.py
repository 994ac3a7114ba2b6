"""Weights in which the energy of a model is linear, as one vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from atomgraph.featurizers.density import DensityFeaturizer
from atomgraph.fitting.low_rank import LowRankRows
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.protocols import LinearReadout, Readout
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments


@dataclass(frozen=True, eq=False)
class ReadoutBlock:
    """Weights of one linear readout, as a block of the vector of all linear weights.

    Attributes:
        branch: Branch of the readout.
        depth: Index of the readout in the branch.
        start: Index of the first weight in the vector of all linear weights.
    """

    branch: Branch
    depth: int
    start: int
    #: Cache by row of the element: the directions d of ``LinearReadout.basis_jacobian``, and their factors as a product of two
    #: small matrices (None if the rank is not low).
    _low_rank: dict[int, tuple[Tensor, LowRankRows | None]] = field(default_factory=dict, init=False, repr=False)

    @property
    def readout(self) -> Readout:
        """The readout."""
        result: Readout = self.branch.readouts[self.depth]
        return result

    @property
    def linear_readout(self) -> LinearReadout:
        """The same readout, with the type of its linear interface."""
        result: LinearReadout = self.branch.readouts[self.depth]
        return result

    @property
    def columns(self) -> slice:
        """Indices of the weights in the vector of all linear weights."""
        return slice(self.start, self.start + self.linear_readout.n_unknowns)

    @property
    def density_featurizer(self) -> DensityFeaturizer | None:
        """Featurizer of the branch, if it is a ``DensityFeaturizer`` and the branch has no layers; else None."""
        featurizer = self.branch.featurizer
        return featurizer if isinstance(featurizer, DensityFeaturizer) and not self.branch.layers else None

    def element_columns(self, element: int) -> slice:
        """Return the indices of the weights for atoms of an element.

        Args:
            element: Row of the element in the table of the model.
        """
        part = self.linear_readout.weight_slice(element)
        return slice(self.start + part.start, self.start + part.stop)

    def low_rank_directions(self, element: int) -> LowRankRows | None:
        """Return low-rank factors of the directions of the basis derivatives, see ``LinearReadout.basis_jacobian``.

        Args:
            element: Row of the element in the table of the model.

        Returns:
            Factors; None if the rank is not low, or there are no directions.
        """
        parameter = next(iter(self.readout.parameters()))
        basis_jacobian = self.linear_readout.basis_jacobian(parameter.new_zeros(1, self.readout.irreps_in.dim), element)
        if basis_jacobian is None or basis_jacobian[0] is None:
            return None
        directions = basis_jacobian[0]
        cached = self._low_rank.get(element)
        if cached is None or not torch.equal(cached[0], directions):
            cached = self._low_rank[element] = directions.clone(), LowRankRows.of(directions)
        return cached[1]

    first = OldAttribute("start")
    solvable = OldAttribute("linear_readout")
    expansion = OldAttribute("density_featurizer")
    columns_of = OldAttribute("element_columns")
    few_directions = OldAttribute("low_rank_directions")


@with_old_arguments
class LinearWeights:
    """All linear weights of a model: those of its linear readouts, in the order of branches and readouts.

    Other readouts are constant in a linear fit.

    Args:
        model: Model with at least one linear readout.
        keep_weights: Keep the current weights, and fit a correction; ``assign`` then adds the correction.

    Raises:
        FittingError: If the model has several heads, or no linear readout.
    """

    def __init__(self, model: EnergyModel, keep_weights: bool = False):
        if len(model.heads) > 1:
            raise FittingError(
                f"a closed-form fit has one head, but this model has {', '.join(model.heads)}; fit by gradient or keep one head"
            )
        self.model, self.keep_weights = model, keep_weights
        self.blocks: list[ReadoutBlock] = []
        self.n = 0
        for branch in model.branches:
            for depth, readout in enumerate(branch.readouts):
                if isinstance(readout, LinearReadout) and readout.n_unknowns:
                    self.blocks.append(ReadoutBlock(branch, depth, self.n))
                    self.n += readout.n_unknowns
        if not self.n:
            kinds = sorted({type(readout).__name__ for branch in model.branches for readout in branch.readouts})
            raise FittingError(
                f"no readout of this model is linear in its weights ({', '.join(kinds)}); fit by gradient"
            )

    def __iter__(self) -> Iterator[ReadoutBlock]:
        return iter(self.blocks)

    def assign(self, weights: Tensor) -> None:
        """Set the weights of the readouts, or add a correction if ``keep_weights``.

        Args:
            weights: Weights or their correction, (n,); the design matrix already includes the scale of the baseline.
        """
        for block in self.blocks:
            if self.keep_weights:
                self._add(block, weights[block.columns])
            else:
                block.linear_readout.set_weights(weights[block.columns])

    @torch.no_grad()
    def _add(self, block: ReadoutBlock, weights: Tensor) -> None:
        """Add a correction to the weights of a readout; NaN marks parameters that the readout does not set."""
        old_values = [parameter.clone() for parameter in block.readout.parameters()]
        for parameter in block.readout.parameters():
            parameter.fill_(torch.nan)
        block.linear_readout.set_weights(weights)
        for parameter, old_value in zip(block.readout.parameters(), old_values, strict=True):
            parameter.copy_(torch.where(parameter.isnan(), old_value, old_value + parameter))

    def zero_(self) -> None:
        """Set all linear weights to zero, so that the model predicts the constant part; with ``keep_weights``, do nothing."""
        if self.keep_weights:
            return
        self.assign(torch.zeros(self.n, dtype=self.model.dtype, device=self.model.baseline.e0.device))

    @property
    def is_complete(self) -> bool:
        """Whether predictions depend on nothing but the linear weights and the constants of the baseline."""
        return (
            not self.keep_weights
            and len(self.blocks) == sum(len(branch.readouts) for branch in self.model.branches)
            and (
                self.model.baseline.repulsion is None
                and not any(getattr(block.readout, "core", None) for block in self.blocks)
            )
        )

    around = OldAttribute("keep_weights")
    take = OldAttribute("assign")
    silence = OldAttribute("zero_")
    everything = OldAttribute("is_complete")


__getattr__ = old_names_of(__name__)
