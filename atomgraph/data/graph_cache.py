"""Cache of graphs on disk: one safetensors file per data set and cutoff, written atomically.

The header contains a SHA-256 of the file, which is checked on reading. If a file cannot be read, the graphs are built again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import ase
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from atomgraph import checksums
from atomgraph.atomic_write import write_atomic
from atomgraph.data.fingerprint import fingerprint
from atomgraph.errors import FormatError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph

FORMAT = 5  # version of the file format
# edge_index is stored transposed, with one row (neighbour, centre) per edge.
PER_EDGE = ("edge_index", "cell_shift")
FIELDS: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {  # dtype and shape of a row of each field without labels
    **{"edge_index": (torch.int64, ()), "cell_shift": (torch.int32, (3,)), "atomic_numbers": (torch.int64, ())},
    **{"pos": (torch.float64, (3,)), "cell": (torch.float64, (3, 3)), "pbc": (torch.bool, (3,))},
    "cutoff": (torch.float64, ()),
}
PER_ATOM = ("atomic_numbers", "pos")  # fields with one row per atom, without labels


def _fields() -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Return dtype and shape of a row of each field, labels included."""
    fields = FIELDS | {"label_weights": (torch.float64, (len(QUANTITIES),))}
    for quantity in QUANTITIES.values():
        fields |= {quantity.name: (torch.float64, quantity.shape), quantity.mask: (torch.bool, ())}
    return fields


def _per_atom_fields() -> set[str]:
    """Return the names of the fields with one row per atom, labels included."""
    labels = (name for q in QUANTITIES.values() if q.per == "atom" for name in (q.name, q.mask))
    return {*PER_ATOM, *labels}


def cache_file(frames: Sequence[ase.Atoms], cutoff: float, folder: Path) -> Path:
    """Return the path of the cache file for these frames and this cutoff (Å); the name contains the fingerprint."""
    return folder / f"graphs-{fingerprint(frames)[:32]}-{float(cutoff).hex()}-v{FORMAT}.safetensors"


def load_graphs(path: Path, frames: Sequence[ase.Atoms], cutoff: float) -> list[AtomicGraph] | None:
    """Return the graphs of these frames from a cache file.

    Args:
        path: Path of the cache file.
        frames: Structures of the graphs.
        cutoff: Cutoff radius, Å.

    Returns:
        The graphs; None if there is no file, or, with a warning, if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as content:
            if not checksums.is_intact(content):
                raise ValueError("content and checksum of the file differ; it is damaged")
        with safe_open(path, framework="pt") as file:
            table = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        graphs = _split_graphs(table)
        _check_graphs(graphs, frames, cutoff)
    except (SafetensorError, OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        warnings.warn(f"{path} cannot be read ({error}); the graphs are built again", stacklevel=3)
        return None
    return graphs


def save_graphs(graphs: Sequence[AtomicGraph], path: Path) -> None:
    """Write graphs to a cache file; if the folder is not writable, warn and continue."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda scratch: _write(graphs, scratch))
    except (OSError, FormatError, SafetensorError) as error:
        warnings.warn(
            f"the graphs cannot be stored in {path.parent} ({error}); the run continues without a cache", stacklevel=3
        )


def _write(graphs: Sequence[AtomicGraph], path: Path) -> None:
    """Write graphs with a header and a checksum, not atomically."""
    header = {"format": "graphs", "version": FORMAT, checksums.KEY: checksums.BLANK}
    save_file(_join_graphs(graphs), path, metadata={"atomgraph": json.dumps(header)})
    checksums.seal(path)


def _check_graphs(graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms], cutoff: float) -> None:
    """Raise ValueError if the graphs are not those of the frames: a field is missing, or atoms or cutoff differ."""
    if len(graphs) != len(frames):
        raise ValueError(f"the file holds {len(graphs)} graphs for {len(frames)} structures")
    fields = _fields()
    for number, (graph, atoms) in enumerate(zip(graphs, frames, strict=True)):
        for name, (dtype, shape) in fields.items():
            rows = graph[name]
            if rows.dtype != dtype or (rows.shape[1:] != shape and name != "edge_index"):
                raise ValueError(f"{name} of graph {number} has another dtype or shape")
        expected = {
            "pos": atoms.positions,
            "atomic_numbers": atoms.numbers,
            "cell": atoms.cell.array[None],
            "pbc": [atoms.pbc],
        }
        if not all(np.array_equal(graph[name], value) for name, value in expected.items()):
            raise ValueError(f"graph {number} has other atoms than the structure")
        edges = graph.edge_index
        if len(edges) != 2 or (edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < len(atoms)):
            raise ValueError(f"graph {number} has edges to atoms that do not exist")
        if float(graph.cutoff) != cutoff:
            raise ValueError(f"graph {number} has another cutoff")


def _join_graphs(graphs: Sequence[AtomicGraph]) -> dict[str, torch.Tensor]:
    """Return the fields of all graphs as one tensor each, with the numbers of atoms and edges of each graph."""
    names = sorted(graphs[0].keys()) if graphs else []
    table = {
        name: torch.cat([graph[name].T if name == "edge_index" else graph[name] for graph in graphs]).contiguous()
        for name in names
    }
    table["n_atoms"] = torch.tensor([graph.n_atoms for graph in graphs], dtype=torch.int64)
    table["n_edges"] = torch.tensor([graph.n_edges for graph in graphs], dtype=torch.int64)
    return table


def _split_graphs(table: dict[str, torch.Tensor]) -> list[AtomicGraph]:
    """Return the graphs from the tensors of ``_join_graphs``."""
    n_atoms, n_edges = table.pop("n_atoms").tolist(), table.pop("n_edges").tolist()
    n_graphs = len(n_atoms)
    pieces_by_field, per_atom = {}, _per_atom_fields()
    for name, rows in table.items():
        n_rows = n_edges if name in PER_EDGE else n_atoms if name in per_atom else [1] * n_graphs
        pieces_by_field[name] = rows.split(n_rows)  # one piece per graph
    graphs = []
    for number in range(n_graphs):
        fields = {name: pieces[number] for name, pieces in pieces_by_field.items()}
        fields["edge_index"] = fields["edge_index"].T.contiguous()
        graphs.append(AtomicGraph(**fields))
    return graphs
