"""Sets of symmetry functions: default sets, and checks of the entries of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atomgraph.errors import WiringError, nearest

Entry = Mapping[str, Any]  # parameters of a symmetry function by name, as JSON values
FORMS = ("wide", "narrow")


@dataclass(frozen=True)
class Gaussian:
    r"""Radial factor :math:`e^{-\eta (r - r_s)^2} f_c(r)`.

    Attributes:
        eta: Parameter η, 1/Å².
        shift: Centre r_s, Å.
        cutoff: Cutoff radius of f_c, Å.
    """

    eta: float
    shift: float
    cutoff: float


@dataclass(frozen=True)
class RadialFunction:
    """Radial symmetry function of one central element.

    Attributes:
        gaussian: Radial factor.
        neighbour: Row of the neighbours' element.
    """

    gaussian: Gaussian
    neighbour: int


@dataclass(frozen=True)
class AngularFunction:
    """Angular symmetry function of one central element.

    Attributes:
        gaussian: Radial factor.
        pair: Rows of the elements of both neighbours, in increasing order.
        zeta: Exponent ζ, no unit.
        sign: Sign λ, 1 or −1.
        narrow: Whether the function also depends on the distance between both neighbours.
    """

    gaussian: Gaussian
    pair: tuple[int, int]
    zeta: float
    sign: float
    narrow: bool


def shifted_gaussians(cutoff: float, n: int, first: float = 1.0) -> list[dict[str, float]]:
    """Make radial functions with evenly spaced centres, whose standard deviation is the distance between two centres.

    Args:
        cutoff: Cutoff radius, Å.
        n: Number of functions.
        first: Centre of the first function, Å.

    Returns:
        Entries ``{eta, shift}``.

    Raises:
        WiringError: Unless n ≥ 1 and first < cutoff.

    Source: the even grid of Gastegger et al., J. Chem. Phys. 148, 241709 (2018).
    """
    spacing = (cutoff - first) / n
    if n < 1 or spacing <= 0:
        raise WiringError(
            f"a set of Gaussians needs n ≥ 1 and first < cutoff, but n is {n}, first {first} Å and cutoff {cutoff} Å"
        )
    return [{"eta": 0.5 / spacing**2, "shift": first + k * spacing} for k in range(n)]


def angular_grid(
    gaussians: Sequence[Mapping[str, float]], zetas: Sequence[float] = (1, 2, 4), form: str = "wide"
) -> list[dict[str, Any]]:
    """Make angular functions with all combinations of radial factor, exponent ζ and sign λ = ±1.

    Args:
        gaussians: Entries ``{eta, shift}`` of the radial factors.
        zetas: Exponents ζ, no unit.
        form: ``wide`` or ``narrow``.

    Returns:
        Entries ``{eta, shift, zeta, lambda, form}``.
    """
    return [
        {**gaussian, "zeta": zeta, "lambda": sign, "form": form}
        for gaussian in gaussians
        for zeta in zetas
        for sign in (1.0, -1.0)
    ]


def radial_functions(entries: Sequence[Entry], elements: Sequence[str], cutoff: float) -> list[list[RadialFunction]]:
    """Make the radial functions of each central element, in the order of the entries.

    Args:
        entries: Mappings ``{eta, shift, centre, neighbour, cutoff}``.
        elements: Chemical symbols.
        cutoff: Default cutoff radius, Å.

    Raises:
        WiringError: If a key or element is unknown, a key is missing, or a number is out of range.
    """
    functions: list[list[RadialFunction]] = [[] for _ in elements]
    for entry in entries:
        _check_keys(entry, ("eta",), ("shift", "cutoff", "centre", "neighbour"))
        gaussian = _gaussian(entry, cutoff)
        for centre in _rows(entry, "centre", elements):
            functions[centre] += [RadialFunction(gaussian, row) for row in _rows(entry, "neighbour", elements)]
    return functions


def angular_functions(entries: Sequence[Entry], elements: Sequence[str], cutoff: float) -> list[list[AngularFunction]]:
    """Make the angular functions of each central element, in the order of the entries.

    Args:
        entries: Mappings ``{eta, zeta, lambda, shift, form, centre, neighbours, cutoff}``.
        elements: Chemical symbols.
        cutoff: Default cutoff radius, Å.

    Raises:
        WiringError: If a key, element or form is unknown, a key is missing, or a number is out of range.
    """
    functions: list[list[AngularFunction]] = [[] for _ in elements]
    for entry in entries:
        _check_keys(entry, ("eta", "zeta", "lambda"), ("shift", "cutoff", "centre", "neighbours", "form"))
        form, zeta = entry.get("form", "wide"), float(entry["zeta"])
        if form not in FORMS:
            raise WiringError(f"an angular symmetry function is 'wide' or 'narrow', but form is {form!r}")
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


def _check_keys(entry: Entry, required: Sequence[str], optional: Sequence[str]) -> None:
    for key in entry:
        if key not in (*required, *optional):
            raise WiringError(f"a symmetry function has no key {key!r}{nearest(str(key), [*required, *optional])}")
    missing = [key for key in required if key not in entry]
    if missing:
        raise WiringError(f"a symmetry function needs {', '.join(missing)}: {dict(entry)}")


def _rows(entry: Entry, key: str, elements: Sequence[str]) -> list[int]:
    """Row of the element under a key of the entry; all rows if the key is missing."""
    return list(range(len(elements))) if entry.get(key) is None else [_row(entry[key], elements)]


def _pairs(entry: Entry, elements: Sequence[str]) -> list[tuple[int, int]]:
    """Rows of the two elements ``neighbours`` of the entry; all unordered pairs if the key is missing."""
    if entry.get("neighbours") is None:
        return [(a, b) for a in range(len(elements)) for b in range(a, len(elements))]
    if isinstance(entry["neighbours"], str) or len(entry["neighbours"]) != 2:
        raise WiringError(f"neighbours should be two chemical symbols, but are {entry['neighbours']!r}")
    low, high = sorted(_row(symbol, elements) for symbol in entry["neighbours"])
    return [(low, high)]


def _row(symbol: str, elements: Sequence[str]) -> int:
    if symbol not in elements:
        raise WiringError(
            f"a symmetry function contains the element {symbol!r}; the elements are {', '.join(elements)}"
        )
    return list(elements).index(symbol)
