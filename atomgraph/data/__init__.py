"""Data sets: reading, census, checks, statistics, splits and batches of graphs."""

from typing import TYPE_CHECKING, Any

from atomgraph.data.census import Census, census, require_labels
from atomgraph.data.data_loaders import GraphDataset, GraphLoader, budget_batches, collate
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.graphs import build_graphs
from atomgraph.data.reading import read
from atomgraph.data.sampler import EdgeBudgetSampler
from atomgraph.data.splits import Split, split, split_by_file
from atomgraph.data.statistics import (
    Statistic,
    average_neighbours,
    energy_scale,
    energy_spread,
    isolated_e0,
    least_squares_e0,
    mean_energy,
)

if TYPE_CHECKING:
    from atomgraph.data.module import GraphDataModule

__all__ = [
    "Census",
    "EdgeBudgetSampler",
    "GraphDataModule",
    "GraphDataset",
    "GraphLoader",
    "Split",
    "Statistic",
    "average_neighbours",
    "budget_batches",
    "build_graphs",
    "census",
    "collate",
    "energy_scale",
    "energy_spread",
    "fingerprint",
    "isolated_e0",
    "least_squares_e0",
    "mean_energy",
    "read",
    "require_labels",
    "split",
    "split_by_file",
]


def __getattr__(name: str) -> Any:
    """Import the data module on first use, because the import of Lightning takes seconds."""
    if name == "GraphDataModule":
        from atomgraph.data.module import GraphDataModule

        return GraphDataModule
    raise AttributeError(f"module 'atomgraph.data' has no attribute {name!r}")
