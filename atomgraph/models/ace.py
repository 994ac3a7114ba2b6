"""ACE: the atomic cluster expansion with an embedding of one or more densities."""

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
    r"""Atomic cluster expansion, :math:`\varepsilon_i = \sum_p w_p\, F\big(\sum_f c_{z_i f p} B_{if}; m_p\big)`.

    B are the basis functions, c their coefficients, p the densities, and F the embedding function with exponents m. The
    prefactors of the embedding are w.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        n_max, l_max: Largest n and l of functions of one, two … neighbours; pacemaker's ``nradmax_by_orders`` and
            ``lmax_by_orders``.
        radial, n_radial, width, exponent: Arguments of the radial basis, see ``featurizers.ACE``.
        functions, bonds: Lists of basis functions and of bonds, see ``featurizers.ACE``; None for all functions, and for
            equal radial functions of all bonds.
        function, parameters: Arguments of the embedding, see ``readouts.DensityEmbedding``.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

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
        """Constructor arguments for other elements, with their functions and bonds."""
        featurizer_arguments = self.branches[0].featurizer.element_arguments(edit)
        edited_arguments = {key: featurizer_arguments[key] for key in ("functions", "bonds", "n_radial")}
        return super().element_arguments(edit) | edited_arguments
