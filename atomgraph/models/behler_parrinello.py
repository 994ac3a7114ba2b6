"""Behler-Parrinello: symmetry functions, standardised per element, into one perceptron per element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomgraph.featurizers import SymmetryFunctions
from atomgraph.featurizers.symmetry_functions.element_edit import edit_entries
from atomgraph.layers import Standardize
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.readouts import PerElementMLP


class BehlerParrinello(EnergyModel):
    r""":math:`E_i = \mathrm{MLP}_{z_i}\big((G_i - \mu_{z_i}) / s_{z_i}\big)` over the baseline.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        radial, angular, envelope: As ``SymmetryFunctions`` takes them; None stands for the usual sets.
        readout_hidden: Hidden widths of the perceptrons.
        activation: ``silu``, ``tanh`` or ``softplus``.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: For arguments that make no part.

    Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        radial: Sequence[dict[str, Any]] | None = None,
        angular: Sequence[dict[str, Any]] | None = None,
        envelope: str = "quintic",
        readout_hidden: Sequence[int] = (32, 32),
        activation: str = "silu",
        baseline: Baseline | None = None,
    ):
        baseline = Baseline(elements) if baseline is None else baseline
        featurizer = SymmetryFunctions(elements, cutoff, radial, angular, envelope)
        width = featurizer.irreps_out.dim
        readout = PerElementMLP(elements, width, readout_hidden, activation, n_outputs=len(baseline.heads))
        super().__init__(
            elements,
            Branch(cutoff, featurizer, [Standardize(elements, width, min_std=0.01)], [readout]),
            baseline=baseline,
        )

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the symmetry functions of the new elements."""
        arguments = super().element_arguments(edit)
        return arguments | {key: edit_entries(arguments[key], edit) for key in ("radial", "angular")}
