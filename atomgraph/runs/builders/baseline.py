"""The baseline of a new potential: adds it to the model specification, and sets E0, scale and shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomgraph.config.model_spec import check_argument, resolve_spec
from atomgraph.config.schema import BaselineSection
from atomgraph.data import energy_scale, energy_spread, isolated_e0, least_squares_e0, mean_energy
from atomgraph.data.statistics import Statistic
from atomgraph.errors import ConfigError, DataError, WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential


def add_baseline(spec: dict[str, Any], section: BaselineSection, elements: Sequence[str]) -> dict[str, Any]:
    """Return the specification of a model, with a part ``baseline`` that has the settings of the section ``baseline``.

    Args:
        spec: The specification of the model, from ``resolve_spec``.
        section: The section ``baseline`` of the configuration.
        elements: Chemical symbols of the elements in the training part.

    Raises:
        ConfigError: If both the section and ``model.baseline`` set repulsion or heads, or the model contradicts
            ``e0: isolated``.
    """
    repulsion, heads = section.repulsion, section.heads
    model_baseline = spec.get("baseline")
    if model_baseline is not None and (repulsion != "none" or heads):
        name = "heads" if heads else "repulsion"
        raise ConfigError(f"baseline.{name}: the part model.baseline is given, too; set {name} in model.baseline only")
    baseline: dict[str, Any] = {"kind": "Baseline"} if model_baseline is None else dict(model_baseline)
    if heads:
        baseline["heads"] = heads
    if repulsion != "none":
        baseline["repulsion"] = {"kind": "ZBL"} if repulsion == "zbl" else repulsion
    if section.e0 == "isolated":
        _check_isolated(section, spec)
        baseline["exact_isolated"] = True
    if baseline == (model_baseline or {"kind": "Baseline"}):
        return spec
    check_argument(spec["kind"], "baseline")
    inherited = {"elements": spec.get("elements", list(elements)), "cutoff": spec.get("cutoff")}
    return spec | {"baseline": resolve_spec(baseline, elements, "model.baseline", inherited)}


def _check_isolated(section: BaselineSection, spec: dict[str, Any]) -> None:
    """Raise ConfigError if the model gives isolated atoms energies other than E0."""
    if section.shift not in ("none", 0, 0.0):
        raise ConfigError(
            f"baseline.shift: {section.shift} changes energies of isolated atoms, which are exactly E0 with e0: isolated; "
            f"leave shift out, or set e0: least_squares"
        )
    if spec.get("state_energy"):
        raise ConfigError(
            "model.state_energy: an energy of charge and spin changes energies of isolated atoms, which are exactly E0 with "
            "e0: isolated; set state_energy: false, or e0: least_squares"
        )


def set_baseline(potential: Potential, baseline: BaselineSection, train: Sequence[AtomicGraph]) -> dict[str, Any]:
    """Set E0, scale and shift from the training part. With several heads, each head has the values of its own structures.

    Args:
        potential: The new potential, changed in place.
        baseline: The section ``baseline``.
        train: Graphs of the training part.

    Returns:
        Values of E0, scale and shift with their origins, for the metadata of the potential.

    Raises:
        DataError: If a head has no structures.
    """
    if len(potential.heads) == 1:
        return _set_head(potential, baseline, train, potential.heads[0])
    records = {}
    for row, head in enumerate(potential.heads):
        head_graphs = [graph for graph in train if int(graph.head) == row]
        if not head_graphs:
            raise DataError(
                f"no training structure has the head {head!r}; remove the head from baseline.heads, or add structures"
            )
        records[head] = _set_head(potential, baseline, head_graphs, head)
    facts = {name: {head: record[name] for head, record in records.items()} for name in ("e0", "scale", "shift")}
    facts["e0"]["origin"] = "; ".join(f"{head}: {record['e0']['origin']}" for head, record in records.items())
    return facts


def _set_head(
    potential: Potential, baseline: BaselineSection, train: Sequence[AtomicGraph], head: str
) -> dict[str, Any]:
    """Set E0, scale and shift of a head; return their values and origins."""
    e0 = _e0(baseline, train, head)
    scale = _scale(baseline, train, e0.value)
    shift = _statistic(
        baseline.shift, {"none": lambda: Statistic(0.0, "none"), "mean": lambda: mean_energy(train, e0.value)}
    )
    if not scale.value > 0:
        raise ConfigError(f"baseline.scale should be positive, in eV, but is {scale.value}")
    try:
        potential.model.baseline.set_e0(e0.value, head)
    except WiringError as error:
        prefix = "" if len(potential.heads) == 1 else f"baseline.e0 of head {head!r}: "
        raise ConfigError(f"{prefix}{error}") from None
    potential.model.baseline.set_scale(scale.value, shift.value, head)
    return {"e0": e0.to_json(), "scale": scale.to_json(), "shift": shift.to_json()}


def _e0(baseline: BaselineSection, train: Sequence[AtomicGraph], head: str) -> Statistic[dict[str, float]]:
    """Return E0 by element, eV. E0 in the configuration are {element: E0}, or {head: {element: E0}}."""
    if isinstance(baseline.e0, dict):
        e0_by_element = baseline.e0.get(head, baseline.e0)
        values = {symbol: value for symbol, value in e0_by_element.items() if isinstance(value, float | int)}  # type: ignore[union-attr]
        return Statistic(values, "given in the configuration")
    return isolated_e0(train) if baseline.e0 == "isolated" else least_squares_e0(train)


def _scale(baseline: BaselineSection, train: Sequence[AtomicGraph], e0: dict[str, float]) -> Statistic[float]:
    """Return the scale of energies, eV."""
    return _statistic(
        baseline.scale,
        {
            "none": lambda: Statistic(1.0, "none"),
            "force_rms": lambda: energy_scale(train),  # root mean square of forces, eV/Å, times 1 Å
            "energy_std": lambda: energy_spread(train, e0),
        },
    )


def _statistic(choice: str | float, functions: dict[str, Any]) -> Statistic[float]:
    """Return a number of the configuration, or the result of the function with the chosen name."""
    return functions[choice]() if isinstance(choice, str) else Statistic(float(choice), "given in the configuration")
