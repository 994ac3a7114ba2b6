"""Graphs of frames: built with the neighbour list, or read from a cache on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import ase
import torch

from atomgraph.data.frame_names import frame_name
from atomgraph.data.graph_cache import cache_file, load_graphs, save_graphs
from atomgraph.data.label_weights import apply_weight_keys
from atomgraph.errors import DataError, GraphError, nearest
from atomgraph.graph.geometry import volume
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph
from atomgraph.progress import track


def build_graphs(
    frames: Iterable[ase.Atoms],
    cutoff: float,
    *,
    cache: Path | str | None = None,
    weights: Mapping[str, float] | None = None,
    weight_keys: Mapping[str, str] | None = None,
    heads: Sequence[str] | None = None,
    progress: bool = False,
) -> list[AtomicGraph]:
    """Return the graphs of the frames, in order, with labels, weights and heads.

    The stress label of a structure without volume is not used.

    Args:
        frames: Structures from ``data.read``, in any iterable.
        cutoff: Cutoff radius, Å.
        cache: Folder in which the graphs of these frames and this cutoff are stored; None for no cache.
        weights: Weight in the loss by ``info["config_type"]``; the default weight is 1.
        weight_keys: Keys of weights in frames, ``{all: config_weight, energy: energy_weight, forces: ..., stress: ...}``.
            They multiply the weight of the configuration type. The weight of a frame without the key is 1.
        heads: Names of the model's heads; ``info["head"]`` of a frame selects one, and is required if there are several.
            If None, no head is assigned.
        progress: Whether a progress bar is shown on the terminal.

    Raises:
        GraphError: If a structure cannot become a graph; the message names the frame.
        DataError: If a head is unknown, or if ``weights`` contains a configuration type that no frame has.
    """
    frames = list(frames)
    file = cache_file(frames, cutoff, Path(cache)) if cache is not None else None
    graphs = load_graphs(file, frames, cutoff) if file is not None else None
    if graphs is None:
        numbered_frames = track(enumerate(frames), "building graphs", len(frames), shown=progress)
        graphs = [_graph(atoms, number, cutoff) for number, atoms in numbered_frames]
        if file is not None:
            save_graphs(graphs, file)
    _set_weights(graphs, frames, dict(weights or {}))
    apply_weight_keys(graphs, frames, weight_keys or {})
    _assign_heads(graphs, frames, list(heads or []))
    return graphs


def _graph(atoms: ase.Atoms, number: int, cutoff: float) -> AtomicGraph:
    """Return the graph of a frame, without the stress label if the structure has no volume."""
    try:
        graph = AtomicGraph.from_ase(atoms, cutoff)
    except GraphError as error:
        raise GraphError(f"{frame_name(atoms, number)}: {error}") from error
    for quantity in QUANTITIES.values():
        if quantity.needs_volume:
            graph[quantity.mask] = graph[quantity.mask] & volume(graph).isfinite()
    return graph


def _set_weights(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms], weights: dict[str, float]) -> None:
    """Set the weight of each graph to that of its configuration type."""
    config_types = [str(atoms.info.get("config_type", "default")) for atoms in frames]
    for config_type, weight in weights.items():
        if not weight >= 0:
            raise DataError(
                f"the weight of configuration type {config_type!r} should be zero or positive, but is {weight}"
            )
        if config_type not in config_types:
            raise DataError(
                f"weights names the configuration type {config_type!r}, which no frame has"
                f"{nearest(config_type, set(config_types))}"
            )
    for graph, config_type in zip(graphs, config_types, strict=True):
        graph.weight = torch.tensor([weights.get(config_type, 1.0)], dtype=torch.float64)


def _assign_heads(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms], heads: list[str]) -> None:
    """Set the head of each graph from ``info["head"]``."""
    if not heads:
        return
    for number, (graph, atoms) in enumerate(zip(graphs, frames, strict=True)):
        head = atoms.info.get("head", heads[0] if len(heads) == 1 else None)
        if head is None:
            raise DataError(f"{frame_name(atoms, number)} has no head: set info['head'] to one of {', '.join(heads)}")
        if head not in heads:
            raise DataError(f"{frame_name(atoms, number)}: unknown head {head!r}{nearest(str(head), heads)}")
        graph.head = torch.tensor([heads.index(head)], dtype=torch.int64)
