"""Reader of one term of a GAP potential: the descriptor line, with a check of all keywords, and the weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from ase.data import chemical_symbols

from atomgraph.errors import FormatError
from atomgraph.old_names import OldAttribute, old_names_of

_FIT_KEYWORDS = {  # keywords of the descriptor line that only gap_fit uses; ignored here
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
_DESCRIPTOR_KEYWORDS = {  # kind of descriptor: its keywords
    "distance_2b": {"cutoff", "cutoff_transition_width", "Z1", "Z2"},
    "angle_3b": {"cutoff", "cutoff_transition_width", "Z", "Z1", "Z2"},
    "soap": {
        *("cutoff", "cutoff_transition_width", "l_max", "n_max", "atom_sigma", "central_weight", "normalise"),
        *("n_species", "species_Z", "n_Z", "Z", "basis_error_exponent", "covariance_sigma0"),
    },
}
# largest accepted n_max, l_max and number of components; above the values of any fit
MAX_RADIAL, MAX_DEGREE, MAX_DIMENSIONS = 50, 12, 10**7
_ONLY_SUPPORTED = {"basis_error_exponent": 10.0, "covariance_sigma0": 0.0}  # keywords with one supported value


@dataclass(frozen=True, eq=False)
class GapTerm:
    """One term of a GAP potential: a kernel on one descriptor, with sparse points and weights.

    Attributes:
        kind: Kind of descriptor: ``distance_2b``, ``angle_3b`` or ``soap``.
        keywords: Values of the descriptor line by keyword, as text.
        elements: Atomic numbers: both elements of a pair; centre and two neighbours of a triple; centre of SOAP, empty for
            all elements.
        species: Atomic numbers of SOAP's channels; empty for one channel of all elements.
        cutoff: Cutoff radius, Å.
        transition_width: Width of the smooth cutoff, Å.
        dimensions: Number of descriptor components.
        delta: Prefactor of the kernel, eV.
        zeta: Exponent of the SOAP kernel.
        theta: Length scales of the squared exponential, (dimensions,).
        alpha: Weights of the sparse points, (n_points,).
        sparse_cutoff: Cutoff function at the sparse points, (n_points,).
        points: Sparse points, (n_points, dimensions); no rows before they are read.
    """

    kind: str
    keywords: dict[str, str]
    elements: list[int]
    species: list[int]
    cutoff: float
    transition_width: float
    dimensions: int
    delta: float
    zeta: float
    theta: list[float]
    alpha: list[float]
    sparse_cutoff: list[float]
    points: np.ndarray

    @property
    def any_element(self) -> bool:
        """Whether the central atom may be of any element."""
        return not self.elements

    @property
    def shared_settings(self) -> Any:
        """Settings that are equal for all SOAP terms of one branch, as a hashable value."""
        names = _DESCRIPTOR_KEYWORDS["soap"] - {"Z", "n_Z"}
        settings = tuple(sorted((name, value) for name, value in self.keywords.items() if name in names))
        return settings, self.zeta, self.any_element

    def with_points(self, points: np.ndarray) -> GapTerm:
        """Return a copy with sparse points, (n_points, dimensions)."""
        return replace(self, points=points)

    def soap_arguments(self, elements: list[str]) -> dict[str, Any]:
        """Return the arguments of ``SOAP``; FormatError if the species differ from the elements of the file."""
        if self.species and [chemical_symbols[z] for z in self.species] != elements:
            raise FormatError(
                f"a soap term has species {', '.join(chemical_symbols[z] for z in self.species)}, "
                f"but the file has {', '.join(elements)}; "
                "a soap of fewer species than the file, or in another order, is not supported"
            )
        keywords = self.keywords
        return {
            "n_max": parse_integer(keywords.get("n_max", ""), "n_max", 1, MAX_RADIAL),
            "l_max": parse_integer(keywords.get("l_max", ""), "l_max", 0, MAX_DEGREE),
            "sigma": parse_in_range(keywords.get("atom_sigma", ""), "atom_sigma", 0.01, 10.0),
            "central_weight": parse_in_range(keywords.get("central_weight", "1.0"), "central_weight", -1e6, 1e6),
            "normalise": _parse_flag(keywords.get("normalise", "T")),
            "channels": None if self.species else {symbol: [1.0] for symbol in elements},
        }

    words = OldAttribute("keywords")
    transition = OldAttribute("transition_width")
    alike = OldAttribute("shared_settings")
    soap = OldAttribute("soap_arguments")


def parse_term(element: Element) -> GapTerm:
    """Return the term of an XML element ``gpCoordinates``, without sparse points.

    Raises:
        FormatError: If the descriptor or a keyword is not supported, or a number is missing or out of range.
    """
    kind, keywords = _parse_descriptor((element.findtext("descriptor") or "").strip())
    expected = "2" if kind == "soap" else "1"
    if element.get("covariance_type") != expected:
        raise FormatError(
            f"the {kind} term has covariance_type {element.get('covariance_type')}; supported is {expected} "
            f"({'dot_product' if kind == 'soap' else 'ard_se'})"
        )
    if parse_number(element.get("signal_mean", "0"), "signal_mean") != 0.0:
        raise FormatError(f"the {kind} term has a signal_mean (f0) other than 0, which is not supported")
    if element.get("n_permutations", "1") != "1":
        raise FormatError(f"the {kind} term has {element.get('n_permutations')} permutations; supported is 1")
    rows = element.findall("sparseX")
    if not rows or len(rows) != parse_number(element.get("n_sparseX", "0"), "n_sparseX"):
        raise FormatError(f"the {kind} term should have {element.get('n_sparseX')} sparse points, but has {len(rows)}")
    dimensions = parse_integer(element.get("dimensions", ""), "dimensions", 1, MAX_DIMENSIONS)
    theta = [parse_in_range(word, "theta", 1e-6, 1e6) for word in (element.findtext("theta") or "").split()]
    if kind != "soap" and len(theta) != dimensions:
        raise FormatError(f"the {kind} term should have {dimensions} theta, but has {len(theta)}")
    element_keywords = {"distance_2b": ("Z1", "Z2"), "angle_3b": ("Z", "Z1", "Z2"), "soap": ("Z",)}[kind]
    elements = [
        parse_atomic_number(keywords[name], name)
        for name in element_keywords
        if name in keywords and keywords[name] != "0"
    ]
    if kind != "soap" and len(elements) != len(element_keywords):
        raise FormatError(
            f"the {kind} term is for any element ({', '.join(element_keywords)} are missing), which is not supported"
        )
    return GapTerm(
        kind=kind,
        keywords=keywords,
        elements=elements,
        species=sorted(parse_atomic_number(word, "species_Z") for word in keywords.get("species_Z", "").split()),
        cutoff=(cutoff := parse_in_range(keywords.get("cutoff", ""), "cutoff", 0.1, 100.0)),
        transition_width=parse_in_range(
            keywords.get("cutoff_transition_width", "0.5"), "cutoff_transition_width", 0.0, cutoff
        ),
        dimensions=dimensions,
        delta=parse_number(element.get("signal_variance", ""), "signal_variance"),
        zeta=parse_in_range(element.get("zeta", "1"), "zeta", 0.0, 100.0),
        theta=theta,
        alpha=[parse_number(row.get("alpha", ""), "alpha") for row in rows],
        sparse_cutoff=[parse_number(row.get("sparseCutoff", "1"), "sparseCutoff") for row in rows],
        points=np.zeros((0, dimensions)),
    )


def parse_number(word: str, name: str) -> float:
    """Return a finite number, which may have a Fortran exponent; FormatError with the name of the quantity otherwise."""
    try:
        value = float(word.strip().lower().replace("d", "e"))
    except ValueError:
        raise FormatError(f"{name} should be a number, but is {word!r}") from None
    if not isfinite(value):
        raise FormatError(f"{name} should be finite, but is {word!r}")
    return value


def parse_integer(word: str, name: str, minimum: int, maximum: int) -> int:
    """Return a whole number between bounds; FormatError with the name of the quantity otherwise."""
    value = parse_number(word, name)
    if value != int(value) or not minimum <= value <= maximum:
        raise FormatError(f"{name} should be a whole number from {minimum} to {maximum}, but is {word!r}")
    return int(value)


def parse_in_range(word: str, name: str, minimum: float, maximum: float) -> float:
    """Return a number between bounds; FormatError with the name of the quantity otherwise."""
    value = parse_number(word, name)
    if not minimum <= value <= maximum:
        raise FormatError(f"{name} should lie between {minimum:g} and {maximum:g}, but is {word!r}")
    return value


def parse_atomic_number(word: str, name: str) -> int:
    """Return an atomic number from 1 to 118; FormatError otherwise."""
    return parse_integer(word, name, 1, len(chemical_symbols) - 1)


def _parse_descriptor(line: str) -> tuple[str, dict[str, str]]:
    """Return kind and keywords of a line ``kind key=value ...``; FormatError for unsupported ones."""
    kind, _, settings = line.partition(" ")
    if kind not in _DESCRIPTOR_KEYWORDS:
        raise FormatError(f"the descriptor {kind!r} is not supported; supported are {', '.join(_DESCRIPTOR_KEYWORDS)}")
    pairs = [(key, value.strip("{} ")) for key, value in re.findall(r"(\w+)\s*=\s*(\{[^}]*\}|\S+)", settings)]
    keywords = dict(pairs)
    for key, value in pairs:
        if keywords[key] != value:
            raise FormatError(f"the {kind} term has two values of {key}, {value} and {keywords[key]}")
    for key, value in keywords.items():
        if key not in _DESCRIPTOR_KEYWORDS[kind] | _FIT_KEYWORDS:
            raise FormatError(f"the {kind} term has {key}={value}, which is not supported")
        if key in _ONLY_SUPPORTED and parse_number(value, key) != _ONLY_SUPPORTED[key]:
            raise FormatError(f"the {kind} term has {key}={value}; supported is {_ONLY_SUPPORTED[key]:g}")
    return kind, keywords


def _parse_flag(word: str) -> bool:
    """Return the value of ``normalise``; FormatError if it is not T or F."""
    if word not in ("T", "F"):
        raise FormatError(f"normalise should be T or F, but is {word!r}")
    return word == "T"


__getattr__ = old_names_of(__name__)
