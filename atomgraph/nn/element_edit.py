"""Other elements for a part: the questions that editing asks of each part, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from atomgraph.errors import WiringError

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    r"""Columns of features that change with the elements, :math:`h_c = \sum_{c'} n_{c'} h_{c'} + h^0_c`.

    Attributes:
        origins: For each new element and each new column c', the old column c and how often it counts, n; c is −1 for a
            column that counts nowhere.
        constants: h⁰, (n_new_elements, n_old_columns), float64: what an old column was that no new one belongs to.
    """

    origins: list[list[tuple[int, float]]]
    constants: Tensor

    @property
    def width(self) -> int:
        """How many columns there are now."""
        return len(self.origins[0])

    def tables(self) -> tuple[Tensor, Tensor]:
        """Old column and count of each new column, (n_new_elements, width) each; the count is 0 where there is no old one."""
        columns = torch.tensor([[column for column, _ in row] for row in self.origins])
        counts = torch.tensor([[count for _, count in row] for row in self.origins], dtype=torch.float64)
        return columns, torch.where(columns >= 0, counts, 0.0)

    def lost(self) -> Tensor:
        """Whether no new column belongs to an old one, (n_new_elements, n_old_columns)."""
        lost = torch.ones_like(self.constants, dtype=torch.bool)
        for row, columns in enumerate(self.origins):
            lost[row, sorted({column for column, _ in columns if column >= 0})] = False
        return lost


@dataclass(frozen=True, eq=False)
class ElementEdit:
    """Other elements for a model.

    Attributes:
        old: Chemical symbols before.
        names: Chemical symbols after.
        rows: The old element that each new one starts from, as a row of tables.
        columns: How the features changed that a part reads; None where they did not.
    """

    old: list[str]
    names: list[str]
    rows: list[int]
    columns: FeatureColumns | None = None
    _made: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def factor(self) -> float:
        """The change of weights that are divided by the square root of the number of elements."""
        return float((len(self.names) / len(self.old)) ** 0.5)

    def successors(self, symbol: str) -> list[str]:
        """The new elements that start from an old one."""
        return [name for name, row in zip(self.names, self.rows, strict=True) if self.old[row] == symbol]

    def reading(self, columns: FeatureColumns | None) -> ElementEdit:
        """The same edit for a part that reads these columns."""
        return replace(self, columns=columns)

    def cached(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """A value that several answers need, made once."""
        if key not in self._made:
            self._made[key] = make()
        value: Value = self._made[key]
        return value


def rebuilt(value: Any, edit: ElementEdit) -> Any:
    """A constructor argument for other elements: parts are built again, in lists and dictionaries, too."""
    if hasattr(value, "element_arguments"):
        return type(value)(**value.element_arguments(edit))
    if isinstance(value, list | tuple | torch.nn.ModuleList):
        return [rebuilt(item, edit) for item in value]
    if isinstance(value, dict):
        return {key: rebuilt(item, edit) for key, item in value.items()}
    return value


def weights_for(part: torch.nn.Module, edit: ElementEdit, prefix: str = "") -> dict[str, Tensor]:
    """The entries of a state dict that change in a part and in the parts inside it."""
    weights: dict[str, Tensor] = {}
    for path, module in part.named_modules():
        if hasattr(module, "element_weights"):
            answer = module.element_weights(edit if module is part else edit.reading(None))
            weights |= {f"{prefix}{path}{'.' if path else ''}{name}": value for name, value in answer.items()}
    return weights


def no_answer(part: torch.nn.Module) -> WiringError:
    """The error for a part that has elements and does not answer."""
    kind = type(part).__name__
    return WiringError(
        f"a {kind} depends on elements and cannot be edited; define element_weights() in it if its weights have a row for each"
    )


def reads_columns(part: torch.nn.Module) -> WiringError:
    """The error for a part that cannot read features whose columns changed."""
    return WiringError(
        f"a {type(part).__name__} reads features that have columns for each element and cannot be edited"
    )


def part_edits(branch: Any, featurizer: Any, edit: ElementEdit) -> Iterator[tuple[str, Any, ElementEdit]]:
    """Name, part and edit of each layer and readout of a branch, whose featurizer for the new elements is given."""
    columns = branch.featurizer.element_columns(featurizer, edit)
    edits = [edit.reading(columns)]
    for t, layer in enumerate(branch.layers):
        yield f"layers.{t}", layer, edits[-1]
        edits.append(edit.reading(layer.element_columns(layer, edits[-1])))
    read = edits[len(edits) - len(branch.readouts) :]
    for t, (readout, part_edit) in enumerate(zip(branch.readouts, read, strict=True)):
        yield f"readouts.{t}", readout, part_edit
