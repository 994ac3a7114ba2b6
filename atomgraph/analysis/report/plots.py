"""Figures of errors and of learning. Each function returns a matplotlib Figure; ``style.svg`` turns it into text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from atomgraph.analysis.comparison import Comparison, Sample
from atomgraph.analysis.error_tables import Figures
from atomgraph.analysis.report.style import COLOURS, DASHES, FAINT, MARKERS, figure, styled
from atomgraph.analysis.report.tables import short

CROWD = 20_000  # more points than this are shown as their density


def parity(comparison: Comparison, name: str, title: str = "") -> Figure:
    """Predicted against labelled, with the errors below; by configuration type, or as density where points are many."""
    sample = comparison.samples[name]
    unit, factor = sample.quantity.plot_unit
    with styled():
        drawing = figure(3.7, 4.2)
        upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        x, y, error = sample.reference * factor, sample.predicted * factor, sample.error
        ends = _ends(np.concatenate([x, y]))
        upper.plot(ends, ends, color=FAINT, linewidth=0.8, zorder=1)
        lower.axhline(0.0, color=FAINT, linewidth=0.8, zorder=1)
        if len(x) > CROWD:
            _density(upper, x, y)
            _density(lower, x, error)
        else:
            _points(upper, lower, comparison, sample)
        figures = Figures.of(sample)
        unit_of_error = sample.quantity.unit
        words = f"MAE {short(figures.mae)} {unit_of_error}\nRMSE {short(figures.rmse)} {unit_of_error}"
        words += "" if figures.r2 is None else f"\nR² {figures.r2:.5f}"
        upper.text(0.97, 0.04, words, transform=upper.transAxes, ha="right", va="bottom", fontsize=8)
        upper.set(xlim=ends, ylim=ends, ylabel=f"predicted ({unit})")
        upper.set_title(title or capital(sample.quantity.title))
        lower.set(xlabel=f"reference ({unit})", ylabel=f"error\n({sample.quantity.unit})")
        drawing.align_ylabels()
    return drawing


def error_histogram(comparisons: Mapping[str, Comparison], name: str) -> Figure:
    """How often which error occurs, on a logarithmic count, for one quantity in each part of the data."""
    samples = {part: c.samples[name] for part, c in comparisons.items() if name in c.samples}
    quantity = next(iter(samples.values())).quantity
    errors = {part: sample.error[np.isfinite(sample.error)] for part, sample in samples.items()}
    reach = max((np.quantile(np.abs(e), 0.995) for e in errors.values() if len(e)), default=1.0) * 1.2 or 1.0
    with styled():
        drawing = figure(3.7, 2.6)
        axes = drawing.subplots()
        fewest = min(len(error) for error in errors.values())
        bins: Any = np.linspace(-reach, reach, 2 + 2 * int(np.clip(fewest**0.5, 5, 30)))
        for i, (part, error) in enumerate(errors.items()):
            weights = np.full(len(error), 1.0 / max(len(error), 1))
            axes.hist(
                np.clip(error, -reach, reach), bins, weights=weights, histtype="step", linewidth=1.5,
                color=COLOURS[i % 7], linestyle=DASHES[i % 7], label=f"{part} ({len(error):,})".replace(",", " "),
            )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(top=axes.get_ylim()[1] * 4.0)  # space for the legend
        axes.set(xlabel=f"error ({quantity.unit})", ylabel="share of labels")
        axes.set_title(capital(quantity.title))
        axes.legend(loc="upper right")
    return drawing


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: bool = False,
    points: bool = False,
) -> Figure:
    """Curves by name, (x, y) each: learning curves, equations of state, the energy along a trajectory."""
    with styled():
        drawing = figure(3.7, 2.8)
        axes = drawing.subplots()
        for i, (name, (x, y)) in enumerate(series.items()):
            mark = MARKERS[i % 7] if points or len(x) == 1 else None
            axes.plot(x, y, color=COLOURS[i % 7], linestyle=DASHES[i % 7], marker=mark, markersize=4, label=name)
        if log and any(np.any(np.asarray(y) > 0) for _, y in series.values()):
            _logarithmic(axes)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(title)
        if all(float(value).is_integer() for x, _ in series.values() for value in x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(series) > 1:
            axes.legend()
    return drawing


def _points(upper: Axes, lower: Axes, comparison: Comparison, sample: Sample) -> None:
    types = comparison.config_types
    common = sorted(types, key=lambda t: -int(comparison.among(t).sum()))[: 7 if len(types) <= 7 else 6]
    groups = [t for t in types if t in common]
    masks = {t: comparison.among(t) for t in groups}
    if len(groups) < len(types):
        masks["other"] = ~np.any(list(masks.values()), axis=0)
    factor = sample.quantity.plot_unit[1]
    many = len(sample.reference) > 1500
    look: dict[str, Any] = {
        "s": 6 if many else 16,
        "alpha": 0.35 if many else 0.7,
        "linewidths": 0,
        "rasterized": many,
        "zorder": 2,
    }
    parts = {name: sample.of(mask) for name, mask in masks.items()}
    depth = sorted(parts, key=lambda name: -len(parts[name].reference))  # the few lie above the many
    for i, (name, part) in enumerate(parts.items()):
        if len(part.reference):
            style: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], **look, "zorder": 2 + depth.index(name)}
            upper.scatter(part.reference * factor, part.predicted * factor, label=name, **style)
            lower.scatter(part.reference * factor, part.error, **style)
    if len(masks) > 1:
        legend = upper.legend(loc="upper left", handletextpad=0.2, borderaxespad=0.2, labelspacing=0.3)
        handles: list[Any] = legend.legend_handles
        for handle in handles:
            handle.set(alpha=1.0, sizes=[22])


def capital(words: str) -> str:
    """The words with a capital first letter."""
    return words[:1].upper() + words[1:]


def _logarithmic(axes: Axes) -> None:
    """A logarithmic y-axis with plain numbers, also between the powers of ten where there are few of these."""
    axes.set_yscale("log")
    low, high = np.log10(axes.get_ylim())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    few = high - low < 2.5
    marked = (1, 2, 5) if high - low > 0.7 else range(1, 10)
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda v, _: f"{v:g}" if few and round(v / 10 ** np.floor(np.log10(v) + 1e-9)) in marked else "")
    )


def _density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    keep = np.isfinite(x) & np.isfinite(y)
    axes.hexbin(x[keep], y[keep], gridsize=90, bins="log", mincnt=1, cmap="viridis", rasterized=True, linewidths=0.1)


def _ends(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin
