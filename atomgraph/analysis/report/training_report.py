"""Report of a training run as an HTML page: errors, learning curves, worst structures, model and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.error_tables import ErrorStatistics, error_table, worst_table
from atomgraph.analysis.hardware import hardware
from atomgraph.analysis.report.learning_curves import learning_curves
from atomgraph.analysis.report.model_summary import e0_table, flatten, model_facts
from atomgraph.analysis.report.page import Block, Code, Facts, Gallery, Highlights, Picture, Section, html_page
from atomgraph.analysis.report.plots import capitalise, error_histogram, parity_plot
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.atomic_write import write_text
from atomgraph.data.frame_names import format_count
from atomgraph.formats.versions import now, versions
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.nn.part import to_spec
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

PARTS_LEAST_BIASED_FIRST = ("test", "valid", "train")  # errors on training structures are the most biased


def write_report(
    path: str | Path,
    *,
    potential: Potential,
    comparisons: Mapping[str, Comparison],
    title: str = "A potential",
    subtitle: str = "",
    history: Iterable[Mapping[str, Any]] = (),
    config: Mapping[str, Any] | str | None = None,
    training: Mapping[str, Any] | None = None,
    sections: Sequence[Section] = (),
) -> Path:
    """Write the report of a run as one HTML file that loads no other file.

    Args:
        path: Path of the HTML file.
        potential: The trained potential.
        comparisons: Labels and predictions by part of the data (``train``, ``valid``, ``test``), from
            ``analysis.comparison.compare``.
        title: Title of the page.
        subtitle: Text below the title.
        history: Rows of ``metrics.csv``, by column name.
        config: Resolved configuration, as a mapping or as YAML text.
        training: Facts of the run, such as time, epochs and hardware, by name.
        sections: Further sections (``analysis.report.page.Section``), such as physical checks; they follow the errors.

    Returns:
        Path of the written file.

    Raises:
        FormatError: If the file cannot be written.
    """
    parts = {name: comparisons[name] for name in PARTS_LEAST_BIASED_FIRST if name in comparisons} | dict(comparisons)
    parts = {name: comparison for name, comparison in parts.items() if comparison.structures}
    labelled = {name: comparison for name, comparison in parts.items() if comparison.samples}
    all_sections = [
        _summary_section(potential, labelled),
        _errors_section(labelled),
        *sections,
        _learning_section(list(history)),
        _worst_section(labelled),
        _potential_section(potential),
        _data_section(potential, parts),
        _speed_section(parts, training or {}),
        _config_section(config),
        Section("Versions", [Facts(potential.metadata.get("versions", versions()))]),
    ]
    filled_sections = [section for section in all_sections if section.blocks]
    footer = f"Written by atomgraph, {now()}."
    return write_text(path, html_page(title, filled_sections, subtitle=subtitle, footer=footer))


def _summary_section(potential: Potential, parts: Mapping[str, Comparison]) -> Section:
    """Return the section with the MAE of the first part, the least biased one."""
    if not parts:  # no structure has a label
        return Section("Summary")
    name, comparison = next(iter(parts.items()))
    quantities = [quantity for quantity in QUANTITIES.values() if quantity.name in comparison.samples]
    maes = [ErrorStatistics.from_sample(comparison.samples[quantity.name]).mae for quantity in quantities]
    numbers = [(f"{format_number(mae)} {q.unit}", f"{q.title}, MAE") for q, mae in zip(quantities, maes, strict=True)]
    kind = type(potential.model).__name__
    size = format_count(len(comparison.structures), "structure")
    lead = f"{kind} for {', '.join(potential.elements)}, tested on {size} ({name})."
    return Section("Summary", [Highlights(numbers)] if numbers else [], lead)


def _errors_section(parts: Mapping[str, Comparison]) -> Section:
    """Return the section with error tables of all parts, parity plots of the first part, and histograms."""
    blocks: list[Block] = [error_table(c, name.capitalize(), full=True) for name, c in parts.items()]
    for name, comparison in list(parts.items())[:1]:
        pictures = [
            Picture(parity_plot(comparison, q, f"{capitalise(sample.quantity.title)}, {name}"), f"parity-{name}-{q}")
            for q, sample in comparison.samples.items()
        ]
        blocks.append(Gallery(pictures))
    names = [name for name in QUANTITIES if any(name in c.samples for c in parts.values())]
    blocks.append(Gallery([Picture(error_histogram(parts, q), f"histogram-{q}") for q in names]))
    lead = (
        "Errors of forces and stresses are errors of components. Energies are per atom, minus E0. "
        "The outermost bins of the histograms contain all larger errors."
    )
    return Section("Errors", blocks if names else [], lead)


def _learning_section(history: list[Mapping[str, Any]]) -> Section:
    """Return the section with learning curves."""
    figures = learning_curves(history)
    return Section(
        "Learning", [Gallery([Picture(f, f"learning-{name}") for name, f in figures.items()])] if figures else []
    )


def _worst_section(parts: Mapping[str, Comparison]) -> Section:
    """Return the section with tables of the structures with the largest errors."""
    names = [name for name in parts if name in ("test", "valid")] or list(parts)
    blocks = [
        worst_table(parts[name], title=f"{name.capitalize()}, by {quantity}", by=quantity)
        for name in names
        for quantity in ("energy", "forces")
        if quantity in parts[name].samples
    ]
    return Section(
        "The worst ten",
        blocks,
        "Structures with the largest errors of the energy per atom, and with the largest RMSE of forces.",
    )


def _potential_section(potential: Potential) -> Section:
    """Return the section with facts, E0 and architecture of the potential."""
    model = yaml.safe_dump(to_spec(potential.model), sort_keys=False, allow_unicode=True, width=100)
    return Section("Potential", [Facts(model_facts(potential)), e0_table(potential), Code(model, "Architecture")])


def _data_section(potential: Potential, parts: Mapping[str, Comparison]) -> Section:
    """Return the section with numbers of structures, atoms and labels in each part."""
    columns = [Column("part", is_text=True), Column("structures"), Column("atoms")]
    columns += [Column(name, "labels") for name in QUANTITIES]
    rows = [
        [name, str(len(c.structures)), str(c.n_atoms), *(str(_count_labels(c, q)) for q in QUANTITIES)]
        for name, c in parts.items()
    ]
    facts = flatten({key: potential.metadata[key] for key in ("data", "split") if key in potential.metadata})
    return Section("Data", [Table(columns, rows), Facts(facts)] if rows else [])


def _count_labels(comparison: Comparison, name: str) -> int:
    """Return the number of labels of a quantity; each component counts."""
    return len(comparison.samples[name].reference) if name in comparison.samples else 0


def _speed_section(parts: Mapping[str, Comparison], training: Mapping[str, Any]) -> Section:
    """Return the section with facts of the run and the speed of evaluation."""
    facts = flatten(training)
    speeds = [describe_speed(c) for c in parts.values() if c.seconds]
    if speeds:
        facts["evaluation"] = speeds[0]
    return Section("Speed", [Facts(facts)] if facts else [])


def describe_speed(comparison: Comparison) -> str:
    """Return the speed of predictions as text.

    For example: ``12 300 atoms/s (2.1 s for 25 structures, graphs included) on AMD EPYC, 2 threads, torch 2.9.1``.
    """
    seconds = comparison.seconds or float("nan")
    rate = f"{comparison.n_atoms / seconds:,.0f}".replace(",", " ")
    n = format_count(len(comparison.structures), "structure")
    return f"{rate} atoms/s ({seconds:.2f} s for {n}, graphs included) on {hardware(comparison.device)}"


def _config_section(config: Mapping[str, Any] | str | None) -> Section:
    """Return the section with the configuration; without content if there is none."""
    if not config:
        return Section("Configuration")
    text = config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return Section("Configuration", [Code(text, "All settings of the run")])


__getattr__ = old_names_of(__name__)
