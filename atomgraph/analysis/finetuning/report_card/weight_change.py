"""Relative change of the weights by fine-tuning, by group of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.models.parameter_groups import parameter_groups
from atomgraph.potential import Potential


@dataclass(frozen=True)
class WeightChange:
    r"""Change of a group of weights.

    Attributes:
        group: Name of the group.
        layer: Name of the layer; None for groups outside layers.
        count: Number of weights.
        relative: Relative change :math:`\|w' - w\| / \|w\|`; :math:`\|w' - w\|` if w is zero.
        changed: Number of weights that changed, at most ``count``.
    """

    group: str
    layer: str | None
    count: int
    relative: float
    changed: int

    @property
    def name(self) -> str:
        """Name of the group, after the name of the layer if there is one."""
        return self.group if self.layer is None else f"{self.layer}.{self.group}"

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)


def weight_changes(before: Potential, after: Potential) -> list[WeightChange]:
    """Return the change of each group of weights, in the order of the model.

    Args:
        before: Potential before fine-tuning.
        after: Potential after fine-tuning, with the same architecture.
    """
    weights_before, weights_after = (dict(potential.model.named_parameters()) for potential in (before, after))
    groups: dict[tuple[str, str | None], list[str]] = {}
    for name, weight in parameter_groups(after.model).items():
        groups.setdefault((weight.group, weight.layer), []).append(name)
    return [
        _weight_change(*key, [weights_before[name] for name in names], [weights_after[name] for name in names])
        for key, names in groups.items()
    ]


def weight_change_table(changes: Sequence[WeightChange]) -> Table:
    """Make a table with one row per group."""
    columns = [Column("group", is_text=True), Column("numbers"), Column("changed"), Column("‖Δw‖ / ‖w‖")]
    rows = [[c.name, str(c.count), str(c.changed), format_number(c.relative)] for c in changes]
    return Table(columns, rows, title="Change of the weights")


def _weight_change(
    group: str, layer: str | None, weights_before: list[torch.Tensor], weights_after: list[torch.Tensor]
) -> WeightChange:
    """Return the change of one group from its weights before and after fine-tuning."""
    with torch.no_grad():
        flat_before = torch.cat([weight.detach().double().cpu().flatten() for weight in weights_before])
        flat_after = torch.cat([weight.detach().double().cpu().flatten() for weight in weights_after])
    change, norm = float((flat_after - flat_before).norm()), float(flat_before.norm())
    relative = change / norm if norm else change
    return WeightChange(group, layer, len(flat_before), relative, int((flat_after != flat_before).sum()))
