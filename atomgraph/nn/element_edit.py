"""Change of the elements of a model: effects on the arguments, weights and feature columns of its parts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.old_names import OldAttribute

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    r"""Relation of old feature columns c to new columns c', :math:`h_c = \sum_{c'} n_{c'} h_{c'} + h^0_c`.

    Attributes:
        origins: For each new element and each new column c', the old column c and the factor n; c is −1 for a new column that
            is not part of an old one.
        constants: h⁰, (n_new_elements, n_old_columns), float64: the constant values of the old columns that no new column is a
            part of, and zeros for other columns.
    """

    origins: list[list[tuple[int, float]]]
    constants: Tensor

    @property
    def width(self) -> int:
        """Number of new columns."""
        return len(self.origins[0])

    def tables(self) -> tuple[Tensor, Tensor]:
        """Return the old column and the factor of each new column as tensors.

        Returns:
            Old columns, (n_new_elements, width), and factors, (n_new_elements, width); the factor is 0 if there is no old
            column.
        """
        columns = torch.tensor([[column for column, _ in row] for row in self.origins])
        factors = torch.tensor([[factor for _, factor in row] for row in self.origins], dtype=torch.float64)
        return columns, torch.where(columns >= 0, factors, 0.0)

    def unused_columns(self) -> Tensor:
        """Mask of the old columns that no new column is a part of, (n_new_elements, n_old_columns), bool."""
        unused = torch.ones_like(self.constants, dtype=torch.bool)
        for row, columns in enumerate(self.origins):
            unused[row, sorted({column for column, _ in columns if column >= 0})] = False
        return unused


@dataclass(frozen=True, eq=False)
class ElementEdit:
    """Change of the elements of a model.

    Attributes:
        old_names: Chemical symbols before the change.
        names: Chemical symbols after the change.
        rows: For each element after the change, the row in the old tables of the element whose weights are copied.
        columns: Change of the columns of the features that a part reads; None if the columns are unchanged.
    """

    old_names: list[str]
    names: list[str]
    rows: list[int]
    columns: FeatureColumns | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict)
    old = OldAttribute("old_names")

    @property
    def factor(self) -> float:
        """Factor for weights that are divided by the square root of the number of elements, so that results stay equal."""
        return float((len(self.names) / len(self.old_names)) ** 0.5)

    def successors(self, symbol: str) -> list[str]:
        """New elements whose weights are copied from an old element."""
        return [name for name, row in zip(self.names, self.rows, strict=True) if self.old_names[row] == symbol]

    def with_columns(self, columns: FeatureColumns | None) -> ElementEdit:
        """Copy of this edit for a part that reads features with these columns."""
        return replace(self, columns=columns)

    def cached(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of ``make()``, computed at the first call with this key."""
        if key not in self._cache:
            self._cache[key] = make()
        value: Value = self._cache[key]
        return value


def rebuild(value: Any, edit: ElementEdit) -> Any:
    """Build a constructor argument for the new elements: parts are built again, also inside lists and dictionaries."""
    if hasattr(value, "element_arguments"):
        return type(value)(**value.element_arguments(edit))
    # not isinstance: o3.Irreps is a subclass of tuple, and remains unchanged
    if type(value) in (list, tuple, torch.nn.ModuleList):
        return [rebuild(item, edit) for item in value]
    if isinstance(value, dict):
        return {key: rebuild(item, edit) for key, item in value.items()}
    return value


def weights_for(part: torch.nn.Module, edit: ElementEdit, prefix: str = "") -> dict[str, Tensor]:
    """Collect the entries of the state dict that change in a part and in the parts inside it.

    Args:
        part: Part with the old elements.
        edit: Change of the elements.
        prefix: Beginning of the names of all entries.

    Returns:
        Weights for the new elements, by name.
    """
    weights: dict[str, Tensor] = {}
    for path, module in part.named_modules():
        if hasattr(module, "element_weights"):
            # edit.columns describes the features that the part reads, not those of the parts inside it
            new_weights = module.element_weights(edit if module is part else edit.with_columns(None))
            weights |= {f"{prefix}{path}{'.' if path else ''}{name}": value for name, value in new_weights.items()}
    return weights


def cannot_edit_error(part: torch.nn.Module) -> WiringError:
    """Error for a part that depends on elements and does not define how its weights change."""
    kind = type(part).__name__
    return WiringError(
        f"a {kind} depends on elements and cannot be edited; define element_weights() in {kind} if its weights have "
        "one row per element"
    )


def changed_columns_error(part: torch.nn.Module) -> WiringError:
    """Error for a part that cannot read features whose columns changed."""
    return WiringError(
        f"a {type(part).__name__} reads features that have columns for each element and cannot be edited"
    )


def part_edits(branch: Any, featurizer: Any, edit: ElementEdit) -> Iterator[tuple[str, Any, ElementEdit]]:
    """Iterate over the layers and readouts of a branch, with the change of the features that each one reads.

    Args:
        branch: Branch with the old elements.
        featurizer: Featurizer of the branch, built for the new elements.
        edit: Change of the elements.

    Yields:
        Name of the part in the branch, part, and edit with the columns that the part reads.
    """
    columns = branch.featurizer.element_columns(featurizer, edit)
    edits = [edit.with_columns(columns)]
    for t, layer in enumerate(branch.layers):
        yield f"layers.{t}", layer, edits[-1]
        edits.append(edit.with_columns(layer.element_columns(layer, edits[-1])))
    readout_edits = edits[len(edits) - len(branch.readouts) :]  # readouts read the outputs of the last layers
    for t, (readout, part_edit) in enumerate(zip(branch.readouts, readout_edits, strict=True)):
        yield f"readouts.{t}", readout, part_edit
