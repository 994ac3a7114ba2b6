"""Behler-Parrinello network: standardised symmetry functions, and one perceptron per element."""

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
    r"""Behler-Parrinello network, :math:`\varepsilon_i = \mathrm{MLP}_{z_i}\big((G_i - \mu_{z_i}) / s_{z_i}\big)`.

    G are symmetry functions with means μ and standard deviations s in the training data.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        radial, angular, envelope: Arguments of ``featurizers.SymmetryFunctions``; None for its default functions.
        readout_hidden: Widths of the hidden layers of the perceptrons.
        activation: Name of the activation function, in ``nn.activation.ACTIVATIONS``.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

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
        """Constructor arguments for other elements, with their symmetry functions."""
        arguments = super().element_arguments(edit)
        return arguments | {key: edit_entries(arguments[key], edit) for key in ("radial", "angular")}
