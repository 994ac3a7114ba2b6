"""Reads one kernel of a GAP file: its descriptor line, with every word known or refused, and its numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from ase.data import chemical_symbols

from atomgraph.errors import FormatError

_OF_THE_FIT = {  # words that say how weights were found, and nothing of the potential
    *("n_sparse", "sparse_method", "delta", "f0", "zeta", "covariance_type", "theta_uniform", "theta_fac", "theta"),
    *(
        "add_species",
        "config_type_n_sparse",
        "print_sparse_index",
        "unique_hash_tolerance",
        "unique_descriptor_tolerance",
    ),
    "sparse_file",
}
_OF_KIND = {
    "distance_2b": {"cutoff", "cutoff_transition_width", "Z1", "Z2"},
    "angle_3b": {"cutoff", "cutoff_transition_width", "Z", "Z1", "Z2"},
    "soap": {
        *("cutoff", "cutoff_transition_width", "l_max", "n_max", "atom_sigma", "central_weight", "normalise"),
        *("n_species", "species_Z", "n_Z", "Z", "basis_error_exponent", "covariance_sigma0"),
    },
}
MOST_RADIAL, HIGHEST_DEGREE, MOST_DIMENSIONS = 50, 12, 10**7  # more than any fit has
_DEFAULTS = {"basis_error_exponent": 10.0, "covariance_sigma0": 0.0}


@dataclass(frozen=True, eq=False)
class Term:
    """kind: of the descriptor.

    Attributes:
        elements: Atomic numbers: of a pair; centre and ends; SOAP's centre, or none for any.
        species: Of SOAP's channels, or none for one channel of all.
        alpha, sparse_cutoff: (n_points,).
        points: (n_points, dimensions), once they are read.
        theta: (dimensions,) of the squared exponential.
    """

    kind: str
    words: dict[str, str]
    elements: list[int]
    species: list[int]
    cutoff: float
    transition: float
    dimensions: int
    delta: float
    zeta: float
    theta: list[float]
    alpha: list[float]
    sparse_cutoff: list[float]
    points: np.ndarray

    @property
    def any_element(self) -> bool:
        """Is it for atoms of any element?"""
        return not self.elements

    @property
    def alike(self) -> Any:
        """What SOAP terms of one branch share."""
        shared = tuple(sorted((k, v) for k, v in self.words.items() if k in _OF_KIND["soap"] - {"Z", "n_Z"}))
        return shared, self.zeta, self.any_element

    def with_points(self, points: np.ndarray) -> Term:
        """The same with its sparse points."""
        return replace(self, points=points)

    def soap(self, elements: list[str]) -> dict[str, Any]:
        """Arguments of ``SOAP``; FormatError where its species are not the file's elements."""
        if self.species and [chemical_symbols[z] for z in self.species] != elements:
            raise FormatError(
                f"its soap knows {', '.join(chemical_symbols[z] for z in self.species)}, the file {', '.join(elements)}; "
                "a soap of fewer species than the file, or in another order, is not supported"
            )
        words = self.words
        return {
            "n_max": whole(words.get("n_max", ""), "n_max", 1, MOST_RADIAL),
            "l_max": whole(words.get("l_max", ""), "l_max", 0, HIGHEST_DEGREE),
            "sigma": within(words.get("atom_sigma", ""), "atom_sigma", 0.01, 10.0),
            "central_weight": within(words.get("central_weight", "1.0"), "central_weight", -1e6, 1e6),
            "normalise": _truth(words.get("normalise", "T")),
            "channels": None if self.species else {symbol: [1.0] for symbol in elements},
        }


def term_of(element: Element) -> Term:
    """The kernel of a ``gpCoordinates``, without its points."""
    kind, words = _words((element.findtext("descriptor") or "").strip())
    expected = "2" if kind == "soap" else "1"
    if element.get("covariance_type") != expected:
        raise FormatError(
            f"its {kind} has covariance_type {element.get('covariance_type')}; supported is {expected} "
            f"({'dot_product' if kind == 'soap' else 'ard_se'})"
        )
    if number(element.get("signal_mean", "0"), "signal_mean") != 0.0:
        raise FormatError(f"its {kind} has a signal_mean (f0) other than 0, which is not supported")
    if element.get("n_permutations", "1") != "1":
        raise FormatError(f"its {kind} has {element.get('n_permutations')} permutations; supported is 1")
    rows = element.findall("sparseX")
    if not rows or len(rows) != number(element.get("n_sparseX", "0"), "n_sparseX"):
        raise FormatError(f"its {kind} announces {element.get('n_sparseX')} sparse points, but holds {len(rows)}")
    dimensions = whole(element.get("dimensions", ""), "dimensions", 1, MOST_DIMENSIONS)
    theta = [within(word, "theta", 1e-6, 1e6) for word in (element.findtext("theta") or "").split()]
    if kind != "soap" and len(theta) != dimensions:
        raise FormatError(f"its {kind} should have {dimensions} theta, but has {len(theta)}")
    centre = {"distance_2b": ("Z1", "Z2"), "angle_3b": ("Z", "Z1", "Z2"), "soap": ("Z",)}[kind]
    elements = [atomic_number(words[name], name) for name in centre if name in words and words[name] != "0"]
    if kind != "soap" and len(elements) != len(centre):
        raise FormatError(f"its {kind} is for any element ({', '.join(centre)} are missing), which is not supported")
    return Term(
        kind=kind,
        words=words,
        elements=elements,
        species=sorted(atomic_number(word, "species_Z") for word in words.get("species_Z", "").split()),
        cutoff=(cutoff := within(words.get("cutoff", ""), "cutoff", 0.1, 100.0)),
        transition=within(words.get("cutoff_transition_width", "0.5"), "cutoff_transition_width", 0.0, cutoff),
        dimensions=dimensions,
        delta=number(element.get("signal_variance", ""), "signal_variance"),
        zeta=within(element.get("zeta", "1"), "zeta", 0.0, 100.0),
        theta=theta,
        alpha=[number(row.get("alpha", ""), "alpha") for row in rows],
        sparse_cutoff=[number(row.get("sparseCutoff", "1"), "sparseCutoff") for row in rows],
        points=np.zeros((0, dimensions)),
    )


def number(word: str, name: str) -> float:
    """A finite number, Fortran's D exponents included; FormatError names what should have been one."""
    try:
        value = float(word.strip().lower().replace("d", "e"))
    except ValueError:
        raise FormatError(f"{name} should be a number, but is {word!r}") from None
    if not isfinite(value):
        raise FormatError(f"{name} should be finite, but is {word!r}")
    return value


def whole(word: str, name: str, least: int, most: int) -> int:
    """A whole number within bounds; FormatError names what should have been one."""
    value = number(word, name)
    if value != int(value) or not least <= value <= most:
        raise FormatError(f"{name} should be a whole number from {least} to {most}, but is {word!r}")
    return int(value)


def within(word: str, name: str, least: float, most: float) -> float:
    """A number within bounds; FormatError names what should have been one."""
    value = number(word, name)
    if not least <= value <= most:
        raise FormatError(f"{name} should lie between {least:g} and {most:g}, but is {word!r}")
    return value


def atomic_number(word: str, name: str) -> int:
    """1 to 118."""
    return whole(word, name, 1, len(chemical_symbols) - 1)


def _words(line: str) -> tuple[str, dict[str, str]]:
    """``kind key=value ...``; FormatError for a kind or a key that is not supported."""
    kind, _, rest = line.partition(" ")
    if kind not in _OF_KIND:
        raise FormatError(f"its descriptor {kind!r} is not supported; supported are {', '.join(_OF_KIND)}")
    pairs = [(key, value.strip("{} ")) for key, value in re.findall(r"(\w+)\s*=\s*(\{[^}]*\}|\S+)", rest)]
    words = dict(pairs)
    for key, value in pairs:
        if words[key] != value:
            raise FormatError(f"its {kind} says two values of {key}, {value} and {words[key]}")
    for key, value in words.items():
        if key not in _OF_KIND[kind] | _OF_THE_FIT:
            raise FormatError(f"its {kind} says {key}={value}, which is not supported")
        if key in _DEFAULTS and number(value, key) != _DEFAULTS[key]:
            raise FormatError(f"its {kind} says {key}={value}; supported is {_DEFAULTS[key]:g}")
    return kind, words


def _truth(word: str) -> bool:
    if word not in ("T", "F"):
        raise FormatError(f"normalise should be T or F, but is {word!r}")
    return word == "T"
