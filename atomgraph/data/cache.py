"""Graphs on disk: one safetensors file per data set and cutoff, never half written, rebuilt when it cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import ase
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from atomgraph.data.fingerprint import fingerprint
from atomgraph.errors import FormatError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.writing import write_whole

FORMAT = 3
# Fields with one row per edge, per atom, per graph; edge_index is stored as rows of (neighbour, centre).
PER_EDGE = ("edge_index", "cell_shift")
PER_ATOM = ("atomic_numbers", "pos", "forces", "forces_mask")


def cache_file(frames: Sequence[ase.Atoms], cutoff: float, folder: Path) -> Path:
    """Where the graphs of these frames are: named after what they are made of."""
    return folder / f"graphs-{fingerprint(frames)[:32]}-{float(cutoff).hex()}-v{FORMAT}.safetensors"


def load_graphs(path: Path, n_graphs: int) -> list[AtomicGraph] | None:
    """The graphs of a cache file, or None where there are none, not so many, or they cannot be read."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            table = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        graphs = _separated(table)
    except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
        warnings.warn(f"{path} cannot be read ({error}); the graphs are built again", stacklevel=3)
        return None
    return graphs if len(graphs) == n_graphs else None


def save_graphs(graphs: Sequence[AtomicGraph], path: Path) -> None:
    """Keep the graphs; where the folder cannot be written, say so and go on without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda scratch: save_file(_joined(graphs), scratch, metadata={"format": str(FORMAT)}))
    except (OSError, FormatError, SafetensorError) as error:
        warnings.warn(f"the graphs cannot be kept in {path.parent} ({error}); going on without a cache", stacklevel=3)


def _joined(graphs: Sequence[AtomicGraph]) -> dict[str, torch.Tensor]:
    names = sorted(graphs[0].keys()) if graphs else []
    table = {
        name: torch.cat([graph[name].T if name == "edge_index" else graph[name] for graph in graphs]).contiguous()
        for name in names
    }
    table["n_atoms"] = torch.tensor([graph.n_atoms for graph in graphs], dtype=torch.int64)
    table["n_edges"] = torch.tensor([graph.n_edges for graph in graphs], dtype=torch.int64)
    return table


def _separated(table: dict[str, torch.Tensor]) -> list[AtomicGraph]:
    n_atoms, n_edges = table.pop("n_atoms").tolist(), table.pop("n_edges").tolist()
    n_graphs = len(n_atoms)
    columns = {}
    for name, rows in table.items():
        lengths = n_edges if name in PER_EDGE else n_atoms if name in PER_ATOM else [1] * n_graphs
        columns[name] = rows.split(lengths)
    graphs = []
    for number in range(n_graphs):
        fields = {name: pieces[number] for name, pieces in columns.items()}
        fields["edge_index"] = fields["edge_index"].T.contiguous()
        graphs.append(AtomicGraph(**fields))
    return graphs
