"""Lines of text for the census: which labels of the data are fitted, and their weights."""

from __future__ import annotations

from collections.abc import Iterator

from atomgraph.config.closed_form_schema import ClosedForm, SigmaSection
from atomgraph.config.finetune_schema import LinearMethod
from atomgraph.config.schema import Gradient, RampSection
from atomgraph.data.census import Census
from atomgraph.data.frame_names import format_count
from atomgraph.graph.quantities import QUANTITIES

UNITS = {"energy": "eV/atom", "forces": "eV/Å", "virial": "eV/atom"}


def label_lines(train_census: Census, fit: Gradient | ClosedForm | LinearMethod) -> list[str]:
    """Return a line for each label in the data: "fitted with weight w", or "present, not fitted" with the key to set.

    Args:
        train_census: Numbers of structures and labels in the training part.
        fit: The section ``fit``, or the section ``method`` of fine-tuning that solves linear problems.
    """
    weights = _term_weights(fit) if isinstance(fit, Gradient) else _sigma_weights(fit)
    return list(_label_lines(train_census, weights, fit))


def _label_lines(
    train_census: Census, weights: dict[str, str], fit: Gradient | ClosedForm | LinearMethod
) -> Iterator[str]:
    """Yield the lines; ``weights`` has the description of the weight of each fitted label."""
    for name in QUANTITIES:
        n_frames = train_census.labels.get(name, 0)
        if not n_frames:
            continue
        label = f"{name} in {n_frames} of {format_count(train_census.n_frames, 'training structure')}"
        if name in weights:
            yield f"{label}: fitted with {weights[name]}"
        elif isinstance(fit, Gradient):
            yield f"{label}: present, not fitted: add {{property: {name}, weight: ...}} to fit.terms"
        else:
            sigma_key = "virial" if name == "stress" else name
            section = "fit.sigma" if isinstance(fit, ClosedForm) else "method.sigma"
            yield f"{label}: present, not fitted: set {section}: {{{sigma_key}: ...}}, in {UNITS[sigma_key]}"


def _term_weights(fit: Gradient) -> dict[str, str]:
    """Return descriptions of the weights of the loss, by label."""
    weights: dict[str, str] = {}
    for term in fit.terms:
        if isinstance(term.weight, RampSection):
            if term.weight.start or term.weight.end:
                weights[term.property] = f"weight {term.weight.start:g} to {term.weight.end:g}"
        elif term.weight:
            weights[term.property] = f"weight {term.weight:g}"
    return weights


def _sigma_weights(fit: ClosedForm | LinearMethod) -> dict[str, str]:
    """Return descriptions of the weights 1/σ² of squared residuals, by label."""
    weights = {}
    sigmas: SigmaSection = fit.sigma
    for name in ("energy", "forces", "virial"):
        sigma = getattr(sigmas, name)
        if sigma is not None:
            label = "stress" if name == "virial" else name
            weights[label] = f"weight {sigma**-2:.3g} (sigma {sigma:g} {UNITS[name]})"
    return weights
