"""Plots of errors and curves, as matplotlib figures; ``style.svg_element`` converts a figure to SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from atomgraph.analysis.comparison import Comparison, Sample
from atomgraph.analysis.error_tables import ErrorStatistics
from atomgraph.analysis.report.style import COLOURS, DASHES, FAINT, MARKERS, empty_figure, plot_settings
from atomgraph.analysis.report.tables import format_number
from atomgraph.old_names import old_names_of

MAX_POINTS = 20_000  # if there are more points, their density is plotted


def parity_plot(comparison: Comparison, name: str, title: str = "") -> Figure:
    """Plot predictions against labels, with the errors below.

    Points are coloured by configuration type. If there are more than ``MAX_POINTS``, their density is plotted.

    Args:
        comparison: Labels and predictions.
        name: Name of the quantity.
        title: Title of the figure; the name of the quantity if empty.
    """
    sample = comparison.samples[name]
    unit, factor = sample.quantity.plot_unit
    with plot_settings():
        figure = empty_figure(3.7, 4.2)
        parity_axes, error_axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        x, y, error = sample.reference * factor, sample.predicted * factor, sample.error
        limits = _axis_limits(np.concatenate([x, y]))
        parity_axes.plot(limits, limits, color=FAINT, linewidth=0.8, zorder=1)
        error_axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=1)
        if len(x) > MAX_POINTS:
            _plot_density(parity_axes, x, y)
            _plot_density(error_axes, x, error)
        else:
            _scatter_by_type(parity_axes, error_axes, comparison, sample)
        statistics = ErrorStatistics.from_sample(sample)
        error_unit = sample.quantity.unit
        text = f"MAE {format_number(statistics.mae)} {error_unit}\nRMSE {format_number(statistics.rmse)} {error_unit}"
        text += "" if statistics.r2 is None else f"\nR² {statistics.r2:.5f}"
        parity_axes.text(0.97, 0.04, text, transform=parity_axes.transAxes, ha="right", va="bottom", fontsize=8)
        parity_axes.set(xlim=limits, ylim=limits, ylabel=f"predicted ({unit})")
        parity_axes.set_title(title or capitalise(sample.quantity.title))
        error_axes.set(xlabel=f"reference ({unit})", ylabel=f"error\n({error_unit})")
        figure.align_ylabels()
    return figure


def error_histogram(comparisons: Mapping[str, Comparison], name: str) -> Figure:
    """Plot histograms of the errors of a quantity, one per part of the data, with a logarithmic y-axis.

    Args:
        comparisons: Labels and predictions, by part of the data.
        name: Name of the quantity.
    """
    samples = {part: c.samples[name] for part, c in comparisons.items() if name in c.samples}
    quantity = next(iter(samples.values())).quantity
    errors = {part: sample.error[np.isfinite(sample.error)] for part, sample in samples.items()}
    limit = max((np.quantile(np.abs(e), 0.995) for e in errors.values() if len(e)), default=1.0) * 1.2 or 1.0
    with plot_settings():
        figure = empty_figure(3.7, 2.6)
        axes = figure.subplots()
        smallest_count = min(len(error) for error in errors.values())
        bins: Any = np.linspace(-limit, limit, 2 + 2 * int(np.clip(smallest_count**0.5, 5, 30)))
        for i, (part, error) in enumerate(errors.items()):
            weights = np.full(len(error), 1.0 / max(len(error), 1))
            axes.hist(
                np.clip(error, -limit, limit), bins, weights=weights, histtype="step", linewidth=1.5,
                color=COLOURS[i % 7], linestyle=DASHES[i % 7], label=f"{part} ({len(error):,})".replace(",", " "),
            )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(top=axes.get_ylim()[1] * 4.0)  # space for the legend
        axes.set(xlabel=f"error ({quantity.unit})", ylabel="share of labels")
        axes.set_title(capitalise(quantity.title))
        axes.legend(loc="upper right")
    return figure


def line_plot(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: bool = False,
    points: bool = False,
) -> Figure:
    """Plot curves, such as learning curves or equations of state.

    Args:
        series: Values (x, y) of each curve, by name.
        xlabel: Label of the x-axis.
        ylabel: Label of the y-axis.
        title: Title of the figure.
        log: Whether the y-axis is logarithmic; ignored if no value is positive.
        points: Whether points are marked.
    """
    with plot_settings():
        figure = empty_figure(3.7, 2.8)
        axes = figure.subplots()
        for i, (name, (x, y)) in enumerate(series.items()):
            marker = MARKERS[i % 7] if points or len(x) == 1 else None
            axes.plot(x, y, color=COLOURS[i % 7], linestyle=DASHES[i % 7], marker=marker, markersize=4, label=name)
        if log and any(np.any(np.asarray(y) > 0) for _, y in series.values()):
            _set_logarithmic(axes)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(title)
        if all(float(value).is_integer() for x, _ in series.values() for value in x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(series) > 1:
            axes.legend()
    return figure


def _scatter_by_type(parity_axes: Axes, error_axes: Axes, comparison: Comparison, sample: Sample) -> None:
    """Plot points by configuration type; from the eighth type on, the rarest types are joined as ``other``."""
    types = comparison.config_types
    common_types = sorted(types, key=lambda t: -int(comparison.config_type_mask(t).sum()))[
        : 7 if len(types) <= 7 else 6
    ]
    masks = {t: comparison.config_type_mask(t) for t in types if t in common_types}
    if len(masks) < len(types):
        masks["other"] = ~np.any(list(masks.values()), axis=0)
    factor = sample.quantity.plot_unit[1]
    is_dense = len(sample.reference) > 1500
    common_style: dict[str, Any] = {
        "s": 6 if is_dense else 16,
        "alpha": 0.35 if is_dense else 0.7,
        "linewidths": 0,
        "rasterized": is_dense,
        "zorder": 2,
    }
    parts = {name: sample.select(mask) for name, mask in masks.items()}
    drawing_order = sorted(parts, key=lambda name: -len(parts[name].reference))  # small groups are drawn last, on top
    for i, (name, part) in enumerate(parts.items()):
        if len(part.reference):
            style: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], **common_style}
            style["zorder"] = 2 + drawing_order.index(name)
            parity_axes.scatter(part.reference * factor, part.predicted * factor, label=name, **style)
            error_axes.scatter(part.reference * factor, part.error, **style)
    if len(masks) > 1:
        legend = parity_axes.legend(loc="upper left", handletextpad=0.2, borderaxespad=0.2, labelspacing=0.3)
        handles: list[Any] = legend.legend_handles
        for handle in handles:
            handle.set(alpha=1.0, sizes=[22])


def capitalise(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _set_logarithmic(axes: Axes) -> None:
    """Make the y-axis logarithmic, with plain numbers. On short axes, values between powers of ten get numbers, too."""
    axes.set_yscale("log")
    low, high = np.log10(axes.get_ylim())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    is_short = high - low < 2.5
    labelled_digits = (1, 2, 5) if high - low > 0.7 else range(1, 10)
    axes.yaxis.set_minor_formatter(
        FuncFormatter(
            lambda v, _: (
                f"{v:g}" if is_short and round(v / 10 ** np.floor(np.log10(v) + 1e-9)) in labelled_digits else ""
            )
        )
    )


def _plot_density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Plot the density of points, x and y (n,), with a logarithmic colour scale."""
    finite = np.isfinite(x) & np.isfinite(y)
    axes.hexbin(
        x[finite], y[finite], gridsize=90, bins="log", mincnt=1, cmap="viridis", rasterized=True, linewidths=0.1
    )


def _axis_limits(values: np.ndarray) -> tuple[float, float]:
    """Return the range of the finite values with a margin."""
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


__getattr__ = old_names_of(__name__)
