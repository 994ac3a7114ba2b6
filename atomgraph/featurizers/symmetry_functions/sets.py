"""Sets of symmetry functions: the usual ones, and what an entry of a set may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atomgraph.errors import WiringError, nearest

Entry = Mapping[str, Any]  # plain JSON values
FORMS = ("wide", "narrow")


@dataclass(frozen=True)
class Gaussian:
    r"""The radial factor :math:`e^{-\eta (r - r_s)^2} f_c(r)`: η in 1/Å², r_s and the cutoff in Å."""

    eta: float
    shift: float
    cutoff: float


@dataclass(frozen=True)
class RadialFunction:
    """One radial symmetry function of one central element; elements are rows of the table."""

    gaussian: Gaussian
    neighbour: int


@dataclass(frozen=True)
class AngularFunction:
    """One angular symmetry function of one central element; ``pair`` holds two element rows, the lower one first."""

    gaussian: Gaussian
    pair: tuple[int, int]
    zeta: float
    sign: float
    narrow: bool


def shifted_gaussians(cutoff: float, n: int, first: float = 1.0) -> list[dict[str, float]]:
    """Radial functions with centres spaced evenly from ``first`` (Å) to the cutoff, as wide as they are apart.

    Source: the even grid of Gastegger et al., J. Chem. Phys. 148, 241709 (2018).
    """
    spacing = (cutoff - first) / n
    if n < 1 or spacing <= 0:
        raise WiringError(
            f"{n} Gaussians between {first} and {cutoff} Å make no set; n ≥ 1 and first < cutoff are needed"
        )
    return [{"eta": 0.5 / spacing**2, "shift": first + k * spacing} for k in range(n)]


def angular_grid(
    gaussians: Sequence[Mapping[str, float]], zetas: Sequence[float] = (1, 2, 4), form: str = "wide"
) -> list[dict[str, Any]]:
    """Angular functions with every ζ and both signs of λ, on each of the given radial factors."""
    return [
        {**gaussian, "zeta": zeta, "lambda": sign, "form": form}
        for gaussian in gaussians
        for zeta in zetas
        for sign in (1.0, -1.0)
    ]


def radial_functions(entries: Sequence[Entry], elements: Sequence[str], cutoff: float) -> list[list[RadialFunction]]:
    """The radial functions of each central element, in the order of the entries."""
    functions: list[list[RadialFunction]] = [[] for _ in elements]
    for entry in entries:
        _check_keys(entry, ("eta",), ("shift", "cutoff", "centre", "neighbour"))
        gaussian = _gaussian(entry, cutoff)
        for centre in _rows(entry, "centre", elements):
            functions[centre] += [RadialFunction(gaussian, row) for row in _rows(entry, "neighbour", elements)]
    return functions


def angular_functions(entries: Sequence[Entry], elements: Sequence[str], cutoff: float) -> list[list[AngularFunction]]:
    """The angular functions of each central element, in the order of the entries."""
    functions: list[list[AngularFunction]] = [[] for _ in elements]
    for entry in entries:
        _check_keys(entry, ("eta", "zeta", "lambda"), ("shift", "cutoff", "centre", "neighbours", "form"))
        form, zeta = entry.get("form", "wide"), float(entry["zeta"])
        if form not in FORMS:
            raise WiringError(f"an angular symmetry function is 'wide' or 'narrow', but this one is {form!r}")
        if zeta < 1:
            raise WiringError(f"zeta should be at least 1, so that forces are continuous, but is {zeta}")
        gaussian = _gaussian(entry, cutoff)
        for centre in _rows(entry, "centre", elements):
            functions[centre] += [
                AngularFunction(gaussian, pair, zeta, float(entry["lambda"]), form == "narrow")
                for pair in _pairs(entry, elements)
            ]
    return functions


def _gaussian(entry: Entry, cutoff: float) -> Gaussian:
    gaussian = Gaussian(float(entry["eta"]), float(entry.get("shift", 0.0)), float(entry.get("cutoff", cutoff)))
    if gaussian.eta < 0 or not 0 < gaussian.cutoff <= cutoff:
        raise WiringError(f"a symmetry function needs eta ≥ 0 and a cutoff between 0 and {cutoff} Å: {dict(entry)}")
    return gaussian


def _check_keys(entry: Entry, needed: Sequence[str], optional: Sequence[str]) -> None:
    for key in entry:
        if key not in (*needed, *optional):
            raise WiringError(f"a symmetry function has no {key!r}{nearest(str(key), [*needed, *optional])}")
    missing = [key for key in needed if key not in entry]
    if missing:
        raise WiringError(f"a symmetry function needs {', '.join(missing)}: {dict(entry)}")


def _rows(entry: Entry, key: str, elements: Sequence[str]) -> list[int]:
    """The row of the element that the entry names, or all rows where it names none."""
    return list(range(len(elements))) if entry.get(key) is None else [_row(entry[key], elements)]


def _pairs(entry: Entry, elements: Sequence[str]) -> list[tuple[int, int]]:
    if entry.get("neighbours") is None:
        return [(a, b) for a in range(len(elements)) for b in range(a, len(elements))]
    if isinstance(entry["neighbours"], str) or len(entry["neighbours"]) != 2:
        raise WiringError(f"neighbours should be two chemical symbols, but are {entry['neighbours']!r}")
    first, second = sorted(_row(symbol, elements) for symbol in entry["neighbours"])
    return [(first, second)]


def _row(symbol: str, elements: Sequence[str]) -> int:
    if symbol not in elements:
        raise WiringError(f"a symmetry function names {symbol!r}; the elements are {', '.join(elements)}")
    return list(elements).index(symbol)
