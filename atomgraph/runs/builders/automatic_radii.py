"""Automatic radii by element (``radii: auto``), from nearest-neighbour distances and a few trial fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import ase
import numpy as np
import torch
from rich.console import Console

from atomgraph.config.closed_form_schema import LeastSquares
from atomgraph.config.model_spec import build_model
from atomgraph.config.schema import Config
from atomgraph.data import least_squares_e0
from atomgraph.errors import DataError
from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential

AUTO = "auto"
# Trial values of f, the ratio of the interaction range of two equal atoms and their nearest-neighbour distance.
FACTORS = (1.4, 1.55, 1.7, 1.9, 2.1, 2.35, 2.7, 3.1)
_MAX_NEIGHBOUR_DISTANCE = 6.0  # Å; nearest neighbours beyond this distance are ignored
_N_SAMPLE = 36  # number of structures in a trial: two thirds for the fit, one third for testing
_MAX_EDGES = 300_000  # largest total number of edges in the fit of a trial
_MAX_TWOJMAX = 6  # largest twojmax in a trial, which keeps trials fast


@dataclass(frozen=True)
class Radii:
    """Radii by element.

    Attributes:
        values: Radii by chemical symbol, in units of the cutoff.
        description: Text for the user that explains the radii.
    """

    values: dict[str, float]
    description: str
    said = OldAttribute("description")


def has_automatic_radii(spec: Any) -> bool:
    """Return whether a part of the model has ``radii: auto``."""
    return any(part.get("radii") == AUTO for part in _parts(spec))


def replace_automatic_radii(spec: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Return the specification with radii in place of ``auto``.

    Args:
        spec: The specification of a model.
        values: Radii by chemical symbol, in units of the cutoff.
    """
    result = deepcopy(dict(spec))
    for part in _parts(result):
        if part.get("radii") == AUTO:
            part["radii"] = dict(values)
    return result


def automatic_radii(
    config: Config, spec: Mapping[str, Any], frames: Sequence[ase.Atoms], device: torch.device
) -> Radii:
    r"""Return radii :math:`R_z = f\, d_z / 2c`, with :math:`d_z` the median nearest-neighbour distance of element z.

    c is the cutoff of the model, so that two atoms of an element interact up to :math:`f d_z`. Trial fits choose the factor f
    among ``FACTORS``, and among the midpoints between the best of these values and its two adjacent values. The best factor has
    the smallest product of force RMSE and fourth root of the median energy error. Trials are fitted to two thirds of a sample
    of the training structures and tested on the remaining third.

    Args:
        config: The configuration; trials use its section ``fit`` if the kind is least_squares.
        spec: The specification of the model, with ``radii: auto`` in a part.
        frames: The training structures.
        device: Device of the trial fits.

    Raises:
        DataError: If an element has no neighbours, or there are fewer than three structures with labels.
    """
    distances = nearest_neighbours(frames)
    cutoff = float(next(part["cutoff"] for part in _parts(spec) if part.get("radii") == AUTO and "cutoff" in part))
    unit_radii = {symbol: 0.5 * d / cutoff for symbol, d in distances.items()}
    sample = _sample(frames)
    if len(sample) < 3:
        example = ", ".join(f"{symbol}: {1.7 * r:.3g}" for symbol, r in unit_radii.items())
        raise DataError(
            f"radii: auto compares fits to a sample of the training structures, but there are only {len(frames)} "
            f"structures; give radii, for example model.radii={{{example}}}"
        )
    errors: dict[float, float] = {}

    def trial_error(factor: float) -> float:
        if factor not in errors:
            trial_spec = replace_automatic_radii(spec, {symbol: factor * r for symbol, r in unit_radii.items()})
            errors[factor] = _trial_error(config, _coarsen(trial_spec), sample, device)
        return errors[factor]

    best = min(FACTORS, key=trial_error)
    index = FACTORS.index(best)
    for adjacent in (*FACTORS[max(index - 1, 0) : index], *FACTORS[index + 1 : index + 2]):
        trial_error(round(0.5 * (best + adjacent), 3))
    best = min(errors, key=lambda factor: errors[factor])
    values = {symbol: round(best * r, 4) for symbol, r in unit_radii.items()}
    ranges = ", ".join(f"{symbol} {2 * cutoff * value:.2f} Å" for symbol, value in values.items())
    distance_text = ", ".join(f"{symbol} {d:.2f} Å" for symbol, d in distances.items())
    return Radii(
        values,
        f"radii: auto: atoms of one element interact up to {best:g} times the median distance of nearest neighbours "
        f"({distance_text}), that is {ranges}; the factor is the best of {len(errors)} factors in "
        f"trial fits to {len(sample)} training structures",
    )


def nearest_neighbours(frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """Return the median nearest-neighbour distance by element, Å; DataError for an element without neighbours."""
    lengths_by_element: dict[str, list[float]] = {
        symbol: [] for symbol in sorted({s for atoms in frames for s in atoms.symbols})
    }
    for atoms in frames[:: max(1, len(frames) // 100)]:
        _collect_distances(atoms, lengths_by_element)
    if not all(lengths_by_element.values()):  # rare elements may not be in the sample
        for atoms in frames:
            _collect_distances(atoms, lengths_by_element)
    isolated = [symbol for symbol, lengths in lengths_by_element.items() if not lengths]
    if isolated:
        raise DataError(
            f"radii: auto needs nearest-neighbour distances, but no atom of {', '.join(isolated)} has a neighbour "
            f"within {_MAX_NEIGHBOUR_DISTANCE} Å; give radii for every element"
        )
    return {symbol: float(np.median(lengths)) for symbol, lengths in lengths_by_element.items()}


def _collect_distances(atoms: ase.Atoms, lengths_by_element: dict[str, list[float]]) -> None:
    """Append the nearest-neighbour distance of each atom, Å, to the list of its element."""
    graph = AtomicGraph.from_ase(atoms, _MAX_NEIGHBOUR_DISTANCE)
    shortest = np.full(len(atoms), np.inf)
    np.minimum.at(shortest, graph.edge_index[1].numpy(), edge_vectors(graph).norm(dim=1).numpy())
    for symbol, length in zip(atoms.symbols, shortest, strict=True):
        if np.isfinite(length):
            lengths_by_element[symbol].append(float(length))


def _sample(frames: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Return labelled structures, alternately from all groups with equal configuration type and elements."""
    groups: dict[Any, list[ase.Atoms]] = defaultdict(list)
    for atoms in frames:
        if len(atoms) > 1 and atoms.calc is not None and {"energy", "forces"} & set(atoms.calc.results):
            groups[atoms.info.get("config_type"), frozenset(atoms.symbols)].append(atoms)
    shuffled_groups = [
        [group[i] for i in np.random.default_rng(0).permutation(len(group))[:_N_SAMPLE]] for group in groups.values()
    ]
    sample = [atoms for row in zip_longest(*shuffled_groups) for atoms in row if atoms is not None]
    return sample[:_N_SAMPLE]


def _coarsen(spec: dict[str, Any]) -> dict[str, Any]:
    """Reduce the size of a model for fast trials, in place."""
    for part in _parts(spec):
        if isinstance(part.get("twojmax"), int):
            part["twojmax"] = min(part["twojmax"], _MAX_TWOJMAX)
        if "quadratic" in part:
            part["quadratic"] = False
    return spec


def _trial_error(config: Config, spec: dict[str, Any], sample: Sequence[ase.Atoms], device: torch.device) -> float:
    """Fit a trial model to two thirds of the sample and return its error on the remaining third.

    The error is RMSE(forces) · median(|energy error|)^(1/4), with forces in eV/Å and energies in eV/atom. A
    factor whose labels are missing is 1.
    """
    from atomgraph.runs.fits.solve import solve  # imported here to avoid a circular import

    train = [atoms for i, atoms in enumerate(sample) if i % 3 != 2]
    test = [atoms for i, atoms in enumerate(sample) if i % 3 == 2]
    fit = config.fit if isinstance(config.fit, LeastSquares) else LeastSquares()
    fit = fit.model_copy(update={"contradictions": "keep", "sigma_by_type": {}})
    potential = Potential(build_model(spec)).to(torch.float64)
    graphs, test_graphs = ([AtomicGraph.from_ase(atoms, potential.cutoff) for atoms in part] for part in (train, test))
    cumulative_edges = np.cumsum([graph.n_edges for graph in graphs])
    graphs = graphs[: max(2, int((cumulative_edges <= _MAX_EDGES).sum()))]
    e0 = least_squares_e0(graphs).value
    potential.model.baseline.set_e0({symbol: e0.get(symbol, 0.0) for symbol in potential.elements})
    solve(potential, graphs, train[: len(graphs)], fit, device, Console(quiet=True))
    energy_errors, force_errors = [], []
    for graph in test_graphs:
        prediction = potential.evaluate(graph.to(device), stress=False)
        if bool(graph.energy_mask[0]):
            energy_errors.append(abs(float(prediction["energy"][0] - graph.energy[0])) / graph.n_atoms)
        force_errors.append((prediction["forces"].cpu() - graph.forces)[graph.forces_mask].flatten())
    all_force_errors = torch.cat(force_errors)
    rmse = float(all_force_errors.square().mean().sqrt()) if len(all_force_errors) else 1.0
    return rmse * (float(np.median(energy_errors)) ** 0.25 if energy_errors else 1.0)


def _parts(spec: Any) -> Iterator[dict[str, Any]]:
    """Yield all mappings in a specification."""
    if isinstance(spec, dict):
        yield spec
        yield from chain.from_iterable(_parts(value) for value in spec.values())
    elif isinstance(spec, list):
        yield from chain.from_iterable(_parts(value) for value in spec)
