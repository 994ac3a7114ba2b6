"""ACE: the atomic cluster expansion, its invariants added up to densities that are embedded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph import featurizers
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.readouts import DensityEmbedding


class ACE(EnergyModel):
    r""":math:`E_i = \sum_p w_p\, F\big(\sum_f c_{z_i f p} B_{if}; m_p\big)` over the baseline.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        n_max, l_max: The largest n and l of functions of one, two … neighbours, pacemaker's ``nradmax_by_orders`` and
            ``lmax_by_orders``.
        radial, n_radial, width, exponent: Of the radial basis, as ``featurizers.ACE`` takes them.
        functions, bonds: As ``featurizers.ACE`` takes them; None stands for all functions and for bonds that are alike.
        function, parameters: Of the embedding, as ``readouts.DensityEmbedding`` takes them.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: For arguments that make no part.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        n_max: Sequence[int] = (8, 4, 2, 1),
        l_max: Sequence[int] = (0, 3, 2, 1),
        radial: str = "SBessel",
        n_radial: int | None = None,
        width: float | None = None,
        exponent: float = 5.25,
        functions: Sequence[Mapping[str, Any]] | None = None,
        bonds: Sequence[Mapping[str, Any]] | None = None,
        function: str = "FinnisSinclairShiftedScaled",
        parameters: Sequence[Sequence[float]] = ((1.0, 1.0), (1.0, 0.5)),
        baseline: Baseline | None = None,
    ):
        baseline = Baseline(elements) if baseline is None else baseline
        featurizer = featurizers.ACE(
            elements, cutoff, functions, n_max, l_max, radial, n_radial, width, exponent, bonds
        )
        readout = DensityEmbedding(
            elements, featurizer.irreps_out.dim, function, parameters, n_outputs=len(baseline.heads)
        )
        super().__init__(elements, Branch(cutoff, featurizer, (), [readout]), baseline=baseline)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the functions and bonds of the new elements."""
        of_featurizer = self.branches[0].featurizer.element_arguments(edit)
        changed = {key: of_featurizer[key] for key in ("functions", "bonds", "n_radial")}
        return super().element_arguments(edit) | changed
