"""A hint that a model trained by gradient can be fitted in closed form."""

from __future__ import annotations

from atomgraph.fitting import FittingError, LinearWeights
from atomgraph.nn.part import public_name
from atomgraph.potential import Potential
from atomgraph.readouts import SparseKernel


def closed_form_hint(potential: Potential) -> str:
    """Return a line that recommends the fit in closed form for a linear model; empty for a nonlinear model.

    A model is linear if it has no trained layers and all readouts are linear in their weights.

    Args:
        potential: The untrained potential.
    """
    model = potential.model
    try:
        linear_weights = LinearWeights(model)
    except FittingError:
        return ""
    readouts = [readout for branch in model.branches for readout in branch.readouts]
    layers = [layer for branch in model.branches for layer in branch.layers]
    has_trained_layers = any(p.requires_grad for layer in layers for p in layer.parameters())
    n_trained = sum(p.numel() for readout in readouts for p in readout.parameters() if p.requires_grad)
    if has_trained_layers or len(linear_weights.blocks) < len(readouts) or n_trained != linear_weights.n:
        return ""
    kind = "sparse_gp" if any(isinstance(readout, SparseKernel) for readout in readouts) else "least_squares"
    name = public_name(type(model)).rpartition(".")[2]
    return f"note: this {name} is linear in the weights of its readouts: fit: {{kind: {kind}}} solves for them in closed form"
