"""``radii: auto``: radii by element, from distances of nearest neighbours and a few trial fits."""

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
from atomgraph.potential import Potential

AUTO = "auto"
FACTORS = (1.4, 1.55, 1.7, 1.9, 2.1, 2.35, 2.7, 3.1)  # interaction range in distances of nearest neighbours
_LOOK = 6.0  # Å, largest distance of a nearest neighbour
_SAMPLE = 36  # structures in the trial fits, a third of them for testing
_EDGES = 300_000  # largest number in all structures of a trial
_TWOJMAX = 6  # largest value in trials


@dataclass(frozen=True)
class Radii:
    """Radii by element, in units of the cutoff, and a description of their origin."""

    values: dict[str, float]
    said: str


def asks_for_radii(spec: Any) -> bool:
    """Whether a part of the model has ``radii: auto``."""
    return any(part.get("radii") == AUTO for part in _parts(spec))


def with_radii(spec: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """The specification with radii in place of ``auto``."""
    filled = deepcopy(dict(spec))
    for part in _parts(filled):
        if part.get("radii") == AUTO:
            part["radii"] = dict(values)
    return filled


def automatic_radii(
    config: Config, spec: Mapping[str, Any], frames: Sequence[ase.Atoms], device: torch.device
) -> Radii:
    r"""Radii :math:`R_z = f\, d_z / 2c` with :math:`d_z` the median distance of an element to its nearest neighbour.

    c is the cutoff of the model, so that two atoms of an element interact up to :math:`f d_z`. The factor f is taken from
    ``FACTORS`` and from points between the best factor and its neighbours. It has the smallest product of force RMSE and fourth
    root of the median energy error, for fits to two thirds of a sample of the training structures, tested on the rest.

    Args:
        config: Its section ``fit`` is used for the trials, if it is in closed form.
        spec: The model, with ``radii: auto`` in a part of it.
        frames: The training structures.
        device: Where to fit.

    Raises:
        DataError: For an element without neighbours, or too few structures for a trial.
    """
    distance = nearest_neighbours(frames)
    cutoff = float(next(part["cutoff"] for part in _parts(spec) if part.get("radii") == AUTO and "cutoff" in part))
    unit = {symbol: 0.5 * d / cutoff for symbol, d in distance.items()}
    sample = _sample(frames)
    if len(sample) < 3:
        raise DataError(
            f"radii: auto compares fits to a sample of the training structures, but there are {len(frames)}; give radii, "
            f"model.radii={{{', '.join(f'{s}: {1.7 * r:.3g}' for s, r in unit.items())}}} for example"
        )
    errors: dict[float, float] = {}

    def tried(factor: float) -> float:
        if factor not in errors:
            small = with_radii(spec, {symbol: factor * r for symbol, r in unit.items()})
            errors[factor] = _error(config, _coarse(small), sample, device)
        return errors[factor]

    best = min(FACTORS, key=tried)
    index = FACTORS.index(best)
    for neighbour in (*FACTORS[max(index - 1, 0) : index], *FACTORS[index + 1 : index + 2]):
        tried(round(0.5 * (best + neighbour), 3))
    best = min(errors, key=lambda factor: errors[factor])
    values = {symbol: round(best * r, 4) for symbol, r in unit.items()}
    reach = ", ".join(f"{symbol} {2 * cutoff * value:.2f} Å" for symbol, value in values.items())
    near = ", ".join(f"{symbol} {d:.2f} Å" for symbol, d in distance.items())
    return Radii(
        values,
        f"radii: auto: atoms of one element see each other up to {best:g} times the median distance of nearest neighbours "
        f"({near}), that is {reach}; the factor is the best of {len(errors)} in fits to {len(sample)} training structures",
    )


def nearest_neighbours(frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """Median distance of each element to its nearest neighbour, Å; DataError for an element without neighbours."""
    lengths_by_element: dict[str, list[float]] = {
        symbol: [] for symbol in sorted({s for atoms in frames for s in atoms.symbols})
    }
    for atoms in frames[:: max(1, len(frames) // 100)]:
        _collect(atoms, lengths_by_element)
    if not all(lengths_by_element.values()):  # rare elements
        for atoms in frames:
            _collect(atoms, lengths_by_element)
    alone = [symbol for symbol, lengths in lengths_by_element.items() if not lengths]
    if alone:
        raise DataError(
            f"radii: auto takes distances of nearest neighbours, but no atom of {', '.join(alone)} has one within {_LOOK} Å; "
            f"give radii for every element"
        )
    return {symbol: float(np.median(lengths)) for symbol, lengths in lengths_by_element.items()}


def _collect(atoms: ase.Atoms, lengths_by_element: dict[str, list[float]]) -> None:
    graph = AtomicGraph.from_ase(atoms, _LOOK)
    shortest = np.full(len(atoms), np.inf)
    np.minimum.at(shortest, graph.edge_index[1].numpy(), edge_vectors(graph).norm(dim=1).numpy())
    for symbol, length in zip(atoms.symbols, shortest, strict=True):
        if np.isfinite(length):
            lengths_by_element[symbol].append(float(length))


def _sample(frames: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Some structures of every configuration type and composition, in turn; every third is for testing."""
    groups: dict[Any, list[ase.Atoms]] = defaultdict(list)
    for atoms in frames:
        if len(atoms) > 1 and atoms.calc is not None and {"energy", "forces"} & set(atoms.calc.results):
            groups[atoms.info.get("config_type"), frozenset(atoms.symbols)].append(atoms)
    drawn = [
        [group[i] for i in np.random.default_rng(0).permutation(len(group))[:_SAMPLE]] for group in groups.values()
    ]
    in_turn = [atoms for row in zip_longest(*drawn) for atoms in row if atoms is not None]
    return in_turn[:_SAMPLE]


def _coarse(spec: dict[str, Any]) -> dict[str, Any]:
    for part in _parts(spec):
        if isinstance(part.get("twojmax"), int):
            part["twojmax"] = min(part["twojmax"], _TWOJMAX)
        if "quadratic" in part:
            part["quadratic"] = False
    return spec


def _error(config: Config, spec: dict[str, Any], sample: Sequence[ase.Atoms], device: torch.device) -> float:
    from atomgraph.runs.fits.closed_form import solve  # it makes runs, which ask for radii

    train, test = [a for i, a in enumerate(sample) if i % 3 != 2], [a for i, a in enumerate(sample) if i % 3 == 2]
    fit = config.fit if isinstance(config.fit, LeastSquares) else LeastSquares()
    fit = fit.model_copy(update={"contradictions": "keep", "sigma_by_type": {}})
    potential = Potential(build_model(spec)).to(torch.float64)
    graphs, held = ([AtomicGraph.from_ase(a, potential.cutoff) for a in part] for part in (train, test))
    total = np.cumsum([graph.n_edges for graph in graphs])
    graphs = graphs[: max(2, int((total <= _EDGES).sum()))]
    e0 = least_squares_e0(graphs).value
    potential.model.baseline.set_e0({symbol: e0.get(symbol, 0.0) for symbol in potential.elements})
    solve(potential, graphs, train[: len(graphs)], fit, device, Console(quiet=True))
    energies, forces = [], []
    for graph in held:
        prediction = potential.evaluate(graph.to(device), stress=False)
        if bool(graph.energy_mask[0]):
            energies.append(abs(float(prediction["energy"][0] - graph.energy[0])) / graph.n_atoms)
        forces.append((prediction["forces"].cpu() - graph.forces)[graph.forces_mask].flatten())
    force_errors = torch.cat(forces)
    rmse = float(force_errors.square().mean().sqrt()) if len(force_errors) else 1.0
    return rmse * (float(np.median(energies)) ** 0.25 if energies else 1.0)


def _parts(spec: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a specification."""
    if isinstance(spec, dict):
        yield spec
        yield from chain.from_iterable(_parts(value) for value in spec.values())
    elif isinstance(spec, list):
        yield from chain.from_iterable(_parts(value) for value in spec)
