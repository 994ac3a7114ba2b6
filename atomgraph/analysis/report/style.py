"""Style of figures: readable on light and dark pages, and with colour blindness. Settings of pyplot are not changed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from atomgraph.old_names import old_names_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")  # colours of Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), "-", "-", "-")
# placeholder of the text colour: in an SVG, it is replaced by currentColor, the text colour of the page
INK = "#010203"
FAINT = "#8c8c8c"  # colour of axes and grids
SETTINGS: dict[str, Any] = {
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "grid.alpha": 0.25,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.0,
}


@contextmanager
def plot_settings() -> Iterator[None]:
    """Use the settings of atomgraph's figures within a ``with`` block; the previous settings are restored afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


def empty_figure(width: float = 4.6, height: float = 3.4) -> Figure:
    """Return an empty, transparent figure with automatic layout.

    Args:
        width: Width, inches.
        height: Height, inches.
    """
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def svg_element(figure: Figure, name: str) -> str:
    """Return a figure as an ``<svg>`` element. Labels remain text, in the colour and font of the page.

    Equal figures give equal elements.

    Args:
        figure: The figure.
        name: Identifier that is unique on the page; identifiers inside the element start with it.
    """
    text = io.StringIO()
    with matplotlib.rc_context(SETTINGS | {"svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r"\bid=\"", f'id="{name}-', element)
    element = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", element)
    return element.replace(INK, "currentColor")


def svg_file(figure: Figure, name: str) -> bytes:
    """Return a figure as the content of an SVG file with white background.

    Args:
        figure: The figure.
        name: Prefix of the identifiers in the file.
    """
    element = svg_element(figure, name).replace("<svg ", '<svg style="background: white; color: #1a1a1a" ', 1)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + element.encode()


__getattr__ = old_names_of(__name__)
