"""How far the weights went, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.models.parameter_groups import parameter_groups
from atomgraph.potential import Potential


@dataclass(frozen=True)
class Moved:
    r"""A group of weights: how many numbers, and :math:`\|\Delta w\| / \|w\|`, with w as it was; how many numbers differ."""

    group: str
    layer: str | None
    count: int
    relative: float
    changed: int

    @property
    def name(self) -> str:
        return self.group if self.layer is None else f"{self.layer}.{self.group}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def moved(before: Potential, after: Potential) -> list[Moved]:
    """Every group of every layer of two potentials of one architecture, in the order of the model."""
    old, new = (dict(potential.model.named_parameters()) for potential in (before, after))
    groups: dict[tuple[str, str | None], list[str]] = {}
    for name, weight in parameter_groups(after.model).items():
        groups.setdefault((weight.group, weight.layer), []).append(name)
    return [_moved(*key, [(old[name], new[name]) for name in names]) for key, names in groups.items()]


def moved_table(changes: Sequence[Moved]) -> Table:
    """A row a group."""
    columns = [Column("group", words=True), Column("numbers"), Column("changed"), Column("‖Δw‖ / ‖w‖")]
    rows = [[c.name, str(c.count), str(c.changed), format_number(c.relative)] for c in changes]
    return Table(columns, rows, title="Change of the weights")


def _moved(group: str, layer: str | None, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> Moved:
    with torch.no_grad():
        was = torch.cat([old.detach().double().cpu().flatten() for old, _ in pairs])
        now = torch.cat([new.detach().double().cpu().flatten() for _, new in pairs])
    step, size = float((now - was).norm()), float(was.norm())
    return Moved(group, layer, len(was), step / size if size else step, int((now != was).sum()))
