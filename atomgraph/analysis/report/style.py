"""Style of figures: readable without colour vision, on light and dark pages; the global state of pyplot is not changed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), "-", "-", "-")
INK = "#010203"  # stands for the page's own colour of text: becomes currentColor in an SVG
FAINT = "#8c8c8c"
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
def styled() -> Iterator[None]:
    """The settings of atomgraph's figures within this context; the caller's are restored afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


def figure(width: float = 4.6, height: float = 3.4) -> Figure:
    """An empty figure (inches) that lays itself out; transparent, so that the page shows through."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def svg(drawing: Figure, name: str) -> str:
    """A figure as an ``<svg>`` element, the same bytes each time; names inside start with ``name``, unique on a page.

    Text is text, in the colour and font of the page.
    """
    text = io.StringIO()
    with matplotlib.rc_context(SETTINGS | {"svg.hashsalt": name}):
        drawing.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r"\bid=\"", f'id="{name}-', element)
    element = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", element)
    return element.replace(INK, "currentColor")


def write_svg(drawing: Figure, name: str) -> bytes:
    """A figure as a file of its own, on white."""
    words = svg(drawing, name).replace("<svg ", '<svg style="background: white; color: #1a1a1a" ', 1)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + words.encode()
