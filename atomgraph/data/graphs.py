"""Frames to graphs, once: built with the neighbour list, or taken from a cache on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import ase
import torch

from atomgraph.data.frame_names import name_of
from atomgraph.data.graph_cache import cache_file, load_graphs, save_graphs
from atomgraph.data.label_weights import weigh_by_keys
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
    """The graphs of the frames, in order, with labels, weights and heads.

    A stress label of a structure without volume is no label.

    Args:
        cutoff: Å.
        cache: A folder; graphs are built once for the same frames and cutoff and kept there (safetensors, written
            aside and renamed, so never half there; what cannot be read is built again; what cannot be written is said
            once).
        weights: Weight in the loss by ``info["config_type"]``, 1 for those not named.
        weight_keys: Names of weights in frames, ``{all: config_weight, energy: energy_weight, forces: ..., stress:
            ...}``, which multiply those by configuration type; frames without the key count once.
        heads: Names of the model's heads; ``info["head"]`` of a frame says which it belongs to, and must where there
            are several; without names heads stay open.
        progress: A bar on the terminal.

    Raises:
        GraphError: With the frame's name where a structure cannot become a graph.
        DataError: For unknown heads or weights of configuration types that no frame has.
    """
    frames = list(frames)
    kept = cache_file(frames, cutoff, Path(cache)) if cache is not None else None
    graphs = load_graphs(kept, frames, cutoff) if kept is not None else None
    if graphs is None:
        numbered = track(enumerate(frames), "building graphs", len(frames), shown=progress)
        graphs = [_graph(atoms, number, cutoff) for number, atoms in numbered]
        if kept is not None:
            save_graphs(graphs, kept)
    _weigh(graphs, frames, dict(weights or {}))
    weigh_by_keys(graphs, frames, weight_keys or {})
    _assign_heads(graphs, frames, list(heads or []))
    return graphs


def _graph(atoms: ase.Atoms, number: int, cutoff: float) -> AtomicGraph:
    try:
        graph = AtomicGraph.from_ase(atoms, cutoff)
    except GraphError as error:
        raise GraphError(f"{name_of(atoms, number)}: {error}") from error
    for quantity in QUANTITIES.values():
        if quantity.needs_volume:
            graph[quantity.mask] = graph[quantity.mask] & volume(graph).isfinite()
    return graph


def _weigh(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms], weights: dict[str, float]) -> None:
    kinds = [str(atoms.info.get("config_type", "default")) for atoms in frames]
    for kind, weight in weights.items():
        if not weight >= 0:
            raise DataError(f"the weight of configuration type {kind!r} should be zero or positive, but is {weight}")
        if kind not in kinds:
            raise DataError(
                f"weights names the configuration type {kind!r}, which no frame has{nearest(kind, set(kinds))}"
            )
    for graph, kind in zip(graphs, kinds, strict=True):
        graph.weight = torch.tensor([weights.get(kind, 1.0)], dtype=torch.float64)


def _assign_heads(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms], heads: list[str]) -> None:
    if not heads:
        return
    for number, (graph, atoms) in enumerate(zip(graphs, frames, strict=True)):
        head = atoms.info.get("head", heads[0] if len(heads) == 1 else None)
        if head is None:
            raise DataError(f"{name_of(atoms, number)} does not say which head it belongs to, of {', '.join(heads)}")
        if head not in heads:
            raise DataError(f"{name_of(atoms, number)}: unknown head {head!r}{nearest(str(head), heads)}")
        graph.head = torch.tensor([heads.index(head)], dtype=torch.int64)
