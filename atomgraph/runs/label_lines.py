"""Lines of the census: which labels are fitted, with which weight."""

from __future__ import annotations

from collections.abc import Iterator

from atomgraph.config.closed_form_schema import ClosedForm, Sigmas
from atomgraph.config.finetune_schema import Solved
from atomgraph.config.schema import Gradient, Ramp
from atomgraph.data.census import Census
from atomgraph.data.frame_names import format_count
from atomgraph.graph.quantities import QUANTITIES

UNITS = {"energy": "eV/atom", "forces": "eV/Å", "virial": "eV/atom"}


def label_lines(counted: Census, fit: Gradient | ClosedForm | Solved) -> list[str]:
    """For each label of the data "fitted with weight w", or "present, not fitted" and the key to set.

    Args:
        counted: The census of the training part.
        fit: The section of the configuration that says how the potential is fitted.
    """
    weights = _weights_of_terms(fit) if isinstance(fit, Gradient) else _weights_of_sigmas(fit)
    return list(_lines(counted, weights, fit))


def _lines(counted: Census, weights: dict[str, str], fit: Gradient | ClosedForm | Solved) -> Iterator[str]:
    for name in QUANTITIES:
        n_frames = counted.labels.get(name, 0)
        if not n_frames:
            continue
        where = f"{name} in {n_frames} of {format_count(counted.n_frames, 'training structure')}"
        if name in weights:
            yield f"{where}: fitted with {weights[name]}"
        elif isinstance(fit, Gradient):
            yield f"{where}: present, not fitted: add {{property: {name}, weight: ...}} to fit.terms"
        else:
            sigma = "virial" if name == "stress" else name
            section = "fit.sigma" if isinstance(fit, ClosedForm) else "method.sigma"
            yield f"{where}: present, not fitted: set {section}: {{{sigma}: ...}}, in {UNITS[sigma]}"


def _weights_of_terms(fit: Gradient) -> dict[str, str]:
    weights: dict[str, str] = {}
    for term in fit.terms:
        if isinstance(term.weight, Ramp):
            if term.weight.start or term.weight.end:
                weights[term.property] = f"weight {term.weight.start:g} to {term.weight.end:g}"
        elif term.weight:
            weights[term.property] = f"weight {term.weight:g}"
    return weights


def _weights_of_sigmas(fit: ClosedForm | Solved) -> dict[str, str]:
    """Weights 1/σ² of squared residuals."""
    weights = {}
    sigmas: Sigmas = fit.sigma
    for name in ("energy", "forces", "virial"):
        sigma = getattr(sigmas, name)
        if sigma is not None:
            label = "stress" if name == "virial" else name
            weights[label] = f"weight {sigma**-2:.3g} (sigma {sigma:g} {UNITS[name]})"
    return weights
