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

from atomgraph.data.frame_names import format_count
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import get_labels


def _ranges() -> dict[str, tuple[str, str]]:
    """Return title and unit of each range, by key."""
    label_ranges = {q.census_range[0]: q.census_range[1:] for q in QUANTITIES.values() if q.census_range is not None}
    return {**label_ranges, "volume": ("volume per atom", "Å³"), "atoms": ("atoms in a frame", "")}


@dataclass(frozen=True)
class Census:
    """Counts and ranges of a list of frames; ``rich`` prints it as tables.

    Attributes:
        n_frames: Number of frames.
        n_atoms: Number of atoms in all frames.
        elements: Number of atoms by chemical symbol.
        kinds: Numbers of frames, of atoms, and of frames with each label, by configuration type.
        labels: Number of frames with a label, by name of the label: ``energy``, ``forces``, ``stress``.
        ranges: Smallest, median and largest value by name of the range: energy per atom (eV), largest force of a
            frame (eV/Å), mean diagonal of the stress (eV/Å³, positive in tension), volume per atom (Å³), atoms in a frame.
        n_isolated: Number of frames with one atom without periodic images.
        keys: Keys in ``info`` and ``arrays`` that ``data.read`` does not use; they may contain labels under other names.
        notes: Further lines of text, printed last.
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
        """Return the census as JSON values."""
        return asdict(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        notes = [Text(f"note: {line}", no_wrap=True, overflow="ignore") for line in self.notes]
        yield Group(self._headline(), _config_type_table(self), _ranges_table(self.ranges), *notes)

    def __str__(self) -> str:
        console = Console(width=110, no_color=True)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    def _headline(self) -> Text:
        """Return the numbers of frames and atoms, and of atoms of each element, in one line."""
        elements = ", ".join(f"{symbol} {count}" for symbol, count in self.elements.items())
        isolated_text = f", {self.n_isolated} of one atom alone" if self.n_isolated else ""
        return Text(
            f"{format_count(self.n_frames, 'frame')}{isolated_text}, {format_count(self.n_atoms, 'atom')}: {elements}"
        )


def census(frames: Iterable[ase.Atoms], notes: Sequence[str] = ()) -> Census:
    """Count frames, atoms, elements, configuration types and labels, and compute ranges.

    Args:
        frames: Structures from ``data.read``, in any iterable.
        notes: Further lines of text, such as ``ReadingNotes.lines()``.
    """
    elements: Counter[int] = Counter()
    kinds: dict[str, Counter[str]] = {}
    labels: Counter[str] = Counter()
    values: dict[str, list[float]] = {name: [] for name in _ranges()}
    keys: set[str] = set()
    n_isolated = 0
    for atoms in frames:
        frame_labels = get_labels(atoms)
        counts = kinds.setdefault(str(atoms.info.get("config_type", "default")), Counter())
        counts.update(["frames", *frame_labels])
        counts["atoms"] += len(atoms)
        labels.update(frame_labels.keys())
        elements.update(atoms.numbers.tolist())
        keys |= (set(atoms.info) - {"config_type", "source", "head"}) | (set(atoms.arrays) - {"numbers", "positions"})
        n_isolated += len(atoms) == 1 and not atoms.pbc.any()
        for name, value in _frame_values(atoms, frame_labels).items():
            values[name].append(value)
    return Census(
        n_frames=sum(counts["frames"] for counts in kinds.values()),
        n_atoms=sum(elements.values()),
        elements={chemical_symbols[number]: elements[number] for number in sorted(elements)},
        kinds={
            name: {column: kinds[name][column] for column in ("frames", "atoms", *QUANTITIES)} for name in sorted(kinds)
        },
        labels={name: labels[name] for name in QUANTITIES},
        ranges={name: _range(numbers) for name, numbers in values.items() if numbers},
        n_isolated=n_isolated,
        keys=sorted(keys),
        notes=list(notes),
    )


def require_labels(counted: Census, targets: Mapping[str, float] | Sequence[str]) -> None:
    """Check that at least one frame has a label for each fitted quantity.

    Args:
        counted: Census of the frames.
        targets: Weights in the loss by name of the quantity (``energy``, ``forces``, ``stress``), or a list of names.

    Raises:
        DataError: If a quantity with nonzero weight has no label in any frame.
    """
    weights = targets if isinstance(targets, Mapping) else dict.fromkeys(targets, 1.0)
    for name, weight in weights.items():
        if weight and not counted.labels.get(name, 0):
            other_keys = ", ".join(counted.keys) or "none"
            raise DataError(
                f"{name} should be fitted with weight {weight:g}, but none of {counted.n_frames} frames has this label; name "
                f"its key (data.keys: {{{name}: ...}}), or remove {name} from the fit. Other keys of the frames: {other_keys}"
            )


def _frame_values(atoms: ase.Atoms, labels: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the values of a frame for the ranges."""
    values = {"atoms": float(len(atoms))}
    for name, label in labels.items():
        quantity = QUANTITIES[name]
        if quantity.census_range is not None:
            values[quantity.census_range[0]] = quantity.census_value(label, len(atoms))
    if atoms.pbc.all():
        values["volume"] = atoms.cell.volume / len(atoms)
    return values


def _range(numbers: list[float]) -> tuple[float, float, float]:
    """Return the smallest, the median and the largest number."""
    return float(np.min(numbers)), float(np.median(numbers)), float(np.max(numbers))


def _config_type_table(summary: Census) -> Table:
    """Return the table of counts, one row per configuration type, and a row for all if there are several."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("configuration type")
    for column in ("frames", "atoms", *(f"with {name}" for name in QUANTITIES)):
        table.add_column(column, justify="right")
    rows = dict(summary.kinds)
    if len(rows) > 1:
        rows["all"] = {"frames": summary.n_frames, "atoms": summary.n_atoms, **summary.labels}
    for name, row in rows.items():
        table.add_row(Text(name), *(str(row[key]) for key in ("frames", "atoms", *QUANTITIES)))
    return table


def _ranges_table(ranges: Mapping[str, tuple[float, float, float]]) -> Table:
    """Return the table of the smallest, median and largest values, one row per range."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("range")
    for column in ("least", "median", "most"):
        table.add_column(column, justify="right")
    titles = _ranges()
    for name, numbers in ranges.items():
        title, unit = titles[name]
        number_format = "{:.0f}" if name == "atoms" else "{:.4f}"
        table.add_row(f"{title}, {unit}" if unit else title, *(number_format.format(number) for number in numbers))
    return table
