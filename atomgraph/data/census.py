"""Counts and ranges of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import ase
import numpy as np
from ase.data import chemical_symbols
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from atomgraph.data.frame_names import number_of
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import get_labels


def _ranges() -> dict[str, tuple[str, str]]:
    """Title and unit of each range, by its key."""
    labels = {q.census_range[0]: q.census_range[1:] for q in QUANTITIES.values() if q.census_range is not None}
    return {**labels, "volume": ("volume per atom", "Å³"), "atoms": ("atoms in a frame", "")}


@dataclass(frozen=True)
class Census:
    """Counts and ranges of a list of frames; prints as a table (``rich``), and as JSON by ``to_json``.

    Attributes:
        labels: How many frames carry ``energy``, ``forces``, ``stress``.
        kinds: For each configuration type the numbers of frames and atoms, and of frames with each label.
        ranges: Smallest, median and largest of energy per atom (eV), largest force of a frame (eV/Å), mean diagonal
            of the stress (eV/Å³, positive in tension), volume per atom (Å³), atoms in a frame.
        keys: Names in ``info`` and ``arrays`` beside the labels, where more labels may hide.
        notes: Further lines, printed last.
    """

    n_frames: int
    n_atoms: int
    elements: dict[str, int]
    kinds: dict[str, dict[str, int]]
    labels: dict[str, int]
    ranges: dict[str, tuple[float, float, float]]
    n_isolated: int = 0
    keys: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return asdict(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        notes = [Text(f"note: {line}", no_wrap=True, overflow="ignore") for line in self.notes]
        yield Group(self._headline(), _kinds_table(self), _ranges_table(self.ranges), *notes)

    def __str__(self) -> str:
        console = Console(width=110, no_color=True)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    def _headline(self) -> Text:
        elements = ", ".join(f"{symbol} {count}" for symbol, count in self.elements.items())
        alone = f", {self.n_isolated} of one atom alone" if self.n_isolated else ""
        return Text(f"{number_of(self.n_frames, 'frame')}{alone}, {number_of(self.n_atoms, 'atom')}: {elements}")


def census(frames: Iterable[ase.Atoms], notes: Sequence[str] = ()) -> Census:
    """Count frames, atoms, elements, configuration types, labels, and say their ranges.

    Args:
        frames: Frames that were read.
        notes: Further lines, of ``ReadingNotes.lines`` for example.
    """
    elements: Counter[int] = Counter()
    kinds: dict[str, Counter[str]] = {}
    labels: Counter[str] = Counter()
    values: dict[str, list[float]] = {name: [] for name in _ranges()}
    keys: set[str] = set()
    isolated = 0
    for atoms in frames:
        present = get_labels(atoms)
        kind = kinds.setdefault(str(atoms.info.get("config_type", "default")), Counter())
        kind.update(["frames", *present])
        kind["atoms"] += len(atoms)
        labels.update(present.keys())
        elements.update(atoms.numbers.tolist())
        keys |= (set(atoms.info) - {"config_type", "source", "head"}) | (set(atoms.arrays) - {"numbers", "positions"})
        isolated += len(atoms) == 1 and not atoms.pbc.any()
        for name, value in _figures(atoms, present).items():
            values[name].append(value)
    return Census(
        n_frames=sum(kind["frames"] for kind in kinds.values()),
        n_atoms=sum(elements.values()),
        elements={chemical_symbols[number]: elements[number] for number in sorted(elements)},
        kinds={
            name: {column: kinds[name][column] for column in ("frames", "atoms", *QUANTITIES)} for name in sorted(kinds)
        },
        labels={name: labels[name] for name in QUANTITIES},
        ranges={name: _range(numbers) for name, numbers in values.items() if numbers},
        n_isolated=isolated,
        keys=sorted(keys),
        notes=list(notes),
    )


def require_labels(counted: Census, targets: Mapping[str, float] | Sequence[str]) -> None:
    """DataError when a target that weighs anything has no label in any frame.

    Args:
        targets: Names among ``energy``, ``forces``, ``stress``, with their weights in the loss (or a plain list).
    """
    weights = targets if isinstance(targets, Mapping) else dict.fromkeys(targets, 1.0)
    for name, weight in weights.items():
        if weight and not counted.labels.get(name, 0):
            there = ", ".join(counted.keys) or "none"
            raise DataError(
                f"{name} is to be fitted with weight {weight:g}, but no frame of {counted.n_frames} has a label for it; name "
                f"its key (data.keys: {{{name}: ...}}), or take it out of the fit. Other keys there: {there}"
            )


def _figures(atoms: ase.Atoms, labels: Mapping[str, np.ndarray]) -> dict[str, float]:
    figures = {"atoms": float(len(atoms))}
    for name, label in labels.items():
        quantity = QUANTITIES[name]
        if quantity.census_range is not None:
            figures[quantity.census_range[0]] = quantity.census_value(label, len(atoms))
    if atoms.pbc.all():
        figures["volume"] = atoms.cell.volume / len(atoms)
    return figures


def _range(numbers: list[float]) -> tuple[float, float, float]:
    return float(np.min(numbers)), float(np.median(numbers)), float(np.max(numbers))


def _kinds_table(counted: Census) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("configuration type")
    for column in ("frames", "atoms", *(f"with {name}" for name in QUANTITIES)):
        table.add_column(column, justify="right")
    rows = dict(counted.kinds)
    if len(rows) > 1:
        rows["all"] = {"frames": counted.n_frames, "atoms": counted.n_atoms, **counted.labels}
    for name, row in rows.items():
        table.add_row(Text(name), *(str(row[key]) for key in ("frames", "atoms", *QUANTITIES)))
    return table


def _ranges_table(ranges: Mapping[str, tuple[float, float, float]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("range")
    for column in ("least", "median", "most"):
        table.add_column(column, justify="right")
    titles = _ranges()
    for name, numbers in ranges.items():
        title, unit = titles[name]
        digits = "{:.0f}" if name == "atoms" else "{:.4f}"
        table.add_row(f"{title}, {unit}" if unit else title, *(digits.format(number) for number in numbers))
    return table
