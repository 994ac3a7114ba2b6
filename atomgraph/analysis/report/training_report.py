"""The report of a training run: what was trained on what, how well it does, and where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.error_tables import Figures, error_table, worst_table
from atomgraph.analysis.hardware import hardware
from atomgraph.analysis.report.learning_curves import learning_curves
from atomgraph.analysis.report.model_summary import e0_table, facts, flat
from atomgraph.analysis.report.page import Block, Code, Facts, Gallery, Highlights, Picture, Section, page
from atomgraph.analysis.report.plots import capital, error_histogram, parity
from atomgraph.analysis.report.tables import Column, Table, short
from atomgraph.atomic_write import write_text
from atomgraph.data.frame_names import format_count
from atomgraph.formats.versions import now, versions
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.nn.part import to_spec
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

PARTS_BY_FAIRNESS = ("test", "valid", "train")  # parts of the data, the fairest first


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
    """Write ``report.html``: one file, no network; readable on a phone and in print.

    Args:
        comparisons: By part of the data (``train``, ``valid``, ``test``), from ``analysis.comparison.compare``.
        history: The rows of metrics.csv.
        config: As it was resolved.
        training: Facts of the run (time, epochs, hardware).
        sections: Further ones, such as physical checks, shown after the errors (``analysis.page.Section``).

    Raises:
        FormatError: Where the file cannot be written.
    """
    parts = {name: comparisons[name] for name in PARTS_BY_FAIRNESS if name in comparisons} | dict(comparisons)
    parts = {name: comparison for name, comparison in parts.items() if comparison.structures}
    labelled = {name: comparison for name, comparison in parts.items() if comparison.samples}
    content = [
        _summary(potential, labelled),
        _errors(labelled),
        *sections,
        _learning(list(history)),
        _worst(labelled),
        _potential(potential),
        _data(potential, parts),
        _speed(parts, training or {}),
        _config(config),
        Section("Versions", [Facts(potential.metadata.get("versions", versions()))]),
    ]
    shown = [section for section in content if section.blocks]
    return write_text(path, page(title, shown, subtitle=subtitle, footer=f"Written by atomgraph, {now()}."))


def _summary(potential: Potential, parts: Mapping[str, Comparison]) -> Section:
    if not parts:  # nothing is labelled
        return Section("In short")
    name, comparison = next(iter(parts.items()))
    figures = {q: Figures.of(comparison.samples[q.name]) for q in QUANTITIES.values() if q.name in comparison.samples}
    marks = [(f"{short(f.mae)} {q.unit}", f"{q.title}, MAE") for q, f in figures.items()]
    kind = type(potential.model).__name__
    size = format_count(len(comparison.structures), "structure")
    lead = f"{kind} for {', '.join(potential.elements)}, tested on {size} ({name})."
    return Section("In short", [Highlights(marks)] if marks else [], lead)


def _errors(parts: Mapping[str, Comparison]) -> Section:
    blocks: list[Block] = [error_table(c, name.capitalize(), full=True) for name, c in parts.items()]
    for name, comparison in list(parts.items())[:1]:
        pictures = [
            Picture(parity(comparison, q, f"{capital(sample.quantity.title)}, {name}"), f"parity-{name}-{q}")
            for q, sample in comparison.samples.items()
        ]
        blocks.append(Gallery(pictures))
    seen = [name for name in QUANTITIES if any(name in c.samples for c in parts.values())]
    blocks.append(Gallery([Picture(error_histogram(parts, q), f"histogram-{q}") for q in seen]))
    lead = (
        "Forces count by component, stresses by their six components. Energies are per atom, less E0. "
        "The outermost bins of the histograms hold all errors beyond."
    )
    return Section("Errors", blocks if seen else [], lead)


def _learning(history: list[Mapping[str, Any]]) -> Section:
    figures = learning_curves(history)
    return Section(
        "Learning", [Gallery([Picture(f, f"learning-{name}") for name, f in figures.items()])] if figures else []
    )


def _worst(parts: Mapping[str, Comparison]) -> Section:
    chosen = [name for name in parts if name in PARTS_BY_FAIRNESS[:2]] or list(parts)
    blocks = [
        worst_table(parts[name], title=f"{name.capitalize()}, by {quantity}", by=quantity)
        for name in chosen
        for quantity in ("energy", "forces")
        if quantity in parts[name].samples
    ]
    return Section("The worst ten", blocks, "By the error of their energy per atom, and by the RMSE of their forces.")


def _potential(potential: Potential) -> Section:
    model = yaml.safe_dump(to_spec(potential.model), sort_keys=False, allow_unicode=True, width=100)
    return Section("Potential", [Facts(facts(potential)), e0_table(potential), Code(model, "How it is built")])


def _data(potential: Potential, parts: Mapping[str, Comparison]) -> Section:
    columns = [Column("part", words=True), Column("structures"), Column("atoms")]
    columns += [Column(name, "labels") for name in QUANTITIES]
    rows = [
        [name, str(len(c.structures)), str(c.n_atoms), *(str(_count(c, q)) for q in QUANTITIES)]
        for name, c in parts.items()
    ]
    about = flat({key: potential.metadata[key] for key in ("data", "split") if key in potential.metadata})
    return Section("Data", [Table(columns, rows), Facts(about)] if rows else [])


def _count(comparison: Comparison, name: str) -> int:
    return len(comparison.samples[name].reference) if name in comparison.samples else 0


def _speed(parts: Mapping[str, Comparison], training: Mapping[str, Any]) -> Section:
    measured = flat(training)
    lines = [speed(c) for c in parts.values() if c.seconds]
    if lines:
        measured["evaluation"] = lines[0]
    return Section("Speed", [Facts(measured)] if measured else [])


def speed(comparison: Comparison) -> str:
    """``12 300 atoms/s (2.1 s for 25 structures, graphs included) on AMD EPYC, 2 threads, torch 2.9.1``, in words."""
    seconds = comparison.seconds or float("nan")
    rate = f"{comparison.n_atoms / seconds:,.0f}".replace(",", " ")
    n = format_count(len(comparison.structures), "structure")
    return f"{rate} atoms/s ({seconds:.2f} s for {n}, graphs included) on {hardware(comparison.device)}"


def _config(config: Mapping[str, Any] | str | None) -> Section:
    if not config:
        return Section("Configuration")
    words = config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return Section("Configuration", [Code(words, "The whole run in one file")])


__getattr__ = old_names_of(__name__)
