"""The weights of a model in which it is linear, as one vector."""

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


@dataclass(frozen=True, eq=False)
class Block:
    """A readout that is solved for: its branch, its number in the branch, and the number of its first weight."""

    branch: Branch
    depth: int
    first: int
    _few: dict[int, tuple[Tensor, LowRankRows | None]] = field(default_factory=dict, init=False, repr=False)

    @property
    def readout(self) -> Readout:
        result: Readout = self.branch.readouts[self.depth]
        return result

    @property
    def solvable(self) -> LinearReadout:
        result: LinearReadout = self.branch.readouts[self.depth]
        return result

    @property
    def columns(self) -> slice:
        return slice(self.first, self.first + self.solvable.n_unknowns)

    @property
    def expansion(self) -> DensityFeaturizer | None:
        """The featurizer, if it is a ``DensityFeaturizer`` and there are no layers; else None."""
        featurizer = self.branch.featurizer
        return featurizer if isinstance(featurizer, DensityFeaturizer) and not self.branch.layers else None

    def columns_of(self, element: int) -> slice:
        """The weights that act on atoms of an element, by its row in the model's table."""
        own = self.solvable.weight_slice(element)
        return slice(self.first + own.start, self.first + own.stop)

    def few_directions(self, element: int) -> LowRankRows | None:
        """The directions of derivatives of an element's basis, if they span few dimensions; else None."""
        parameter = next(iter(self.readout.parameters()))
        form = self.solvable.basis_jacobian(parameter.new_zeros(1, self.readout.irreps_in.dim), element)
        if form is None or form[0] is None:
            return None
        known = self._few.get(element)
        if known is None or not torch.equal(known[0], form[0]):
            known = self._few[element] = form[0].clone(), LowRankRows.of(form[0])
        return known[1]


class LinearWeights:
    """All weights of a model in which it is linear: those of each linear readout, branch after branch.

    Readouts that are not linear in any weight are constants.

    Args:
        model: The model.
        around: Solve for changes of the current weights; ``assign`` then adds.

    Raises:
        FittingError: For a model with several heads, or without a readout that can be solved for.
    """

    def __init__(self, model: EnergyModel, around: bool = False):
        if len(model.heads) > 1:
            raise FittingError(
                f"a closed-form fit has one head, but this model has {', '.join(model.heads)}; fit it by gradient, or one head"
            )
        self.model, self.around = model, around
        self.blocks: list[Block] = []
        self.n = 0
        for branch in model.branches:
            for depth, readout in enumerate(branch.readouts):
                if isinstance(readout, LinearReadout) and readout.n_unknowns:
                    self.blocks.append(Block(branch, depth, self.n))
                    self.n += readout.n_unknowns
        if not self.n:
            kinds = sorted({type(readout).__name__ for branch in model.branches for readout in branch.readouts})
            raise FittingError(
                f"no readout of this model is linear in its weights ({', '.join(kinds)}); fit it by gradient"
            )

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def assign(self, weights: Tensor) -> None:
        """Set the weights of the readouts, (n,). The design matrix includes the scale of the baseline."""
        for block in self.blocks:
            if self.around:
                self._add(block, weights[block.columns])
            else:
                block.solvable.set_weights(weights[block.columns])

    @torch.no_grad()
    def _add(self, block: Block, weights: Tensor) -> None:
        """Add to the weights; NaN marks parameters that a readout does not set."""
        before = [parameter.clone() for parameter in block.readout.parameters()]
        for parameter in block.readout.parameters():
            parameter.fill_(torch.nan)
        block.solvable.set_weights(weights)
        for parameter, old in zip(block.readout.parameters(), before, strict=True):
            parameter.copy_(torch.where(parameter.isnan(), old, old + parameter))

    def zero_(self) -> None:
        """Set all weights to zero, so that the model gives the constant part of the fit; nothing if ``around``."""
        if self.around:
            return
        self.assign(torch.zeros(self.n, dtype=self.model.dtype, device=self.model.baseline.e0.device))

    @property
    def is_complete(self) -> bool:
        """Whether the model consists of these weights and constants of the baseline only."""
        return (
            not self.around
            and len(self.blocks) == sum(len(branch.readouts) for branch in self.model.branches)
            and (
                self.model.baseline.repulsion is None
                and not any(getattr(block.readout, "core", None) for block in self.blocks)
            )
        )
