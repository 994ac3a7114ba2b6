"""Parser of the species blocks of python-ace's ``.yaml``: elements, bonds and cluster functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atomgraph.errors import FormatError, WiringError
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.invariant_coupling import complex_invariant

EMBEDDING_KEYS = {"ndensityi", "npoti", "parameters", "rho_core_cut", "drho_core_cut"}
BASIS_KEYS = {"nradmaxi", "lmaxi", "nradbaseij", "radbase", "radparameters", "radcoefficients", "rcutij", "dcutij"}
CORE_KEYS = {"core-repulsion", "inner_cutoff_type", "r_in", "delta_in"}
_MAX_INTEGER = 1000  # largest accepted count, n or l
FUNCTION_KEYS = {"type", "nr", "nl", "lint", "c", "skip"}


@dataclass
class ClusterFunction:
    """One cluster function, an entry of ``nbody``.

    Attributes:
        elements: Chemical symbols, the central atom first.
        ns: Radial index n of each factor, from 1.
        ls: Degree l of each factor.
        inner: Degrees of the intermediate couplings; empty for fewer than three factors.
        coefficients: One coefficient for each density.
    """

    elements: tuple[str, ...]
    ns: tuple[int, ...]
    ls: tuple[int, ...]
    inner: tuple[int, ...]
    coefficients: list[float]

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """Sort key of python-ace; functions with equal keys stay in the order of the file."""
        indices = np.argwhere(complex_invariant(self.ls, self.inner).T)[:, ::-1].tolist()
        orders = [[i - l for i, l in zip(index, self.ls, strict=True)] for index in indices]  # m of each factor
        # python-ace stores only one of m and −m: the one whose first number different from zero is positive
        stored_orders = [m for m in orders if next((i for i in m if i), 1) > 0]
        return len(self.ns), self.elements, self.ns, self.ls, len(stored_orders), stored_orders

    place = OldAttribute("sort_key")


@dataclass
class SpeciesBlock:
    """One species block of the file.

    Attributes:
        elements: Chemical symbols, the central atom first.
        keys: Values of the block by key, without ``speciesblock`` and ``nbody``.
        functions: Cluster functions of the block.
    """

    elements: list[str]
    keys: dict[str, Any]
    functions: list[ClusterFunction] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Chemical symbols as text, separated by spaces."""
        return " ".join(self.elements)

    def numbers(self, key: str, default: Any = None) -> np.ndarray:
        """Return the numbers of a key as an array; FormatError if the key is missing or has other content."""
        value = self.keys.get(key, default)
        if value is None:
            raise FormatError(f"the block {self.name!r} has no {key}")
        return as_numbers(value, f"{key} of the block {self.name!r}")

    def number(self, key: str, default: float | None = None) -> float:
        """Return the number of a key; FormatError if it is missing or not one finite number."""
        result = self.numbers(key, default)
        if result.shape != ():
            raise FormatError(f"{key} of the block {self.name!r} should be a number, but is {str(self.keys[key])[:80]}")
        return float(result)

    def integer(self, key: str) -> int:
        """Return the whole number of a key; FormatError if it is missing or out of range."""
        result = self.number(key)
        if not 0 <= result <= _MAX_INTEGER or result != int(result):
            raise FormatError(
                f"{key} of the block {self.name!r} should be a whole number up to {_MAX_INTEGER}, but is {result}"
            )
        return int(result)

    def basis(self) -> dict[str, Any]:
        """Return settings of radial basis and inner cutoff, by key.

        ``radcoefficients`` has shape (nradmaxi, lmaxi + 1, nradbaseij).
        """
        n, l, k = (self.integer(key) for key in ("nradmaxi", "lmaxi", "nradbaseij"))
        parameters, core = self.numbers("radparameters"), self.numbers("core-repulsion", [0.0, 0.0])
        if parameters.shape != (1,):
            raise FormatError(f"radparameters of the block {self.name!r} should be one number, but are {parameters}")
        if core.shape != (2,):
            raise FormatError(f"core-repulsion of the block {self.name!r} should be two numbers, but is {core}")
        kind = self.keys.get("inner_cutoff_type", "density")
        if kind not in ("density", "distance", "zbl"):
            raise FormatError(
                f"the block {self.name!r} has inner_cutoff_type {str(kind)[:40]!r}, which is not supported"
            )
        cutoff_name = self.keys.get("NameOfCutoffFunctionij", "cos")
        if cutoff_name not in ("cos", "poly"):  # both names mean the same function in python-ace
            raise FormatError(
                f"the block {self.name!r} has NameOfCutoffFunctionij {str(cutoff_name)[:40]!r}, which is not supported"
            )
        return {
            "radbase": str(self.keys.get("radbase")).removeprefix("TEST_"),
            "radparameters": float(parameters[0]),
            "rcutij": self.number("rcutij"),
            "dcutij": self.number("dcutij"),
            "inner_cutoff_type": kind,
            "r_in": self.number("r_in", 0.0),
            "delta_in": self.number("delta_in", 0.0),
            "core-repulsion": core.tolist(),
            "nradbaseij": k,
            "radcoefficients": self._coefficients(n, l + 1, k),
        }

    def _coefficients(self, n: int, n_degrees: int, k: int) -> np.ndarray:
        """Return radial coefficients, (n, n_degrees, k); in old files they are flat, in the order of (k, n, n_degrees)."""
        shape = (n, n_degrees, k)
        if 0 in shape:
            return np.zeros(shape)
        result = self.numbers("radcoefficients")
        if result.ndim == 1 and result.size == n * n_degrees * k:
            return result.reshape(k, n, n_degrees).transpose(1, 2, 0)
        if result.ndim != 3 or any(size < expected for size, expected in zip(result.shape, shape, strict=True)):
            raise FormatError(f"radcoefficients of the block {self.name!r} should be {shape}, but are {result.shape}")
        return result[:n, :n_degrees, :k]

    whole = OldAttribute("integer")


def parse_blocks(data: Any) -> list[SpeciesBlock]:
    """Return the species blocks of a file.

    Args:
        data: Content of the file, from the YAML parser.

    Raises:
        FormatError: If something is missing, unknown or of a wrong type.
    """
    _check_keys(data, {"global", "species", "metadata", "auxdata"}, "the file")
    _check_keys(data.get("global", {}), {"DeltaSplineBins"}, "the mapping global")
    if not isinstance(data.get("species"), list) or not data["species"]:
        raise FormatError("the file has no species; it may be cut short")
    result = [_block(entry) for entry in data["species"]]
    names = [tuple(block.elements) for block in result]
    for name in names:
        if names.count(name) > 1:
            raise FormatError(f"the block {' '.join(name)!r} occurs twice")
    return result


def as_numbers(value: Any, what: str) -> np.ndarray:
    """Return finite numbers as float64, also from text, because YAML 1.1 reads 1e-05 as text.

    Args:
        value: Numbers, text, or nested lists of them.
        what: Name of the value, for messages.

    Raises:
        FormatError: If the value contains anything else.
    """
    try:
        result = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"{what} should be numbers in rows of equal length, but is {str(value)[:80]}") from None
    if not np.isfinite(result).all() or isinstance(value, bool):
        raise FormatError(f"{what} should be finite numbers, but is {str(value)[:80]}")
    return result


def _block(entry: Any) -> SpeciesBlock:
    """Return a checked species block."""
    _check_keys(
        entry, {"speciesblock", "nbody", "NameOfCutoffFunctionij", *EMBEDDING_KEYS, *BASIS_KEYS, *CORE_KEYS}, "a block"
    )
    elements = _symbols(entry.get("speciesblock"))
    if not elements:
        raise FormatError("a block has no speciesblock")
    if len(elements) == 2 and elements[0] == elements[1]:
        elements = elements[:1]
    if len(set(elements)) != len(elements):
        raise FormatError(f"the block {' '.join(elements)!r} repeats an element")
    block = SpeciesBlock(elements, {key: value for key, value in entry.items() if key not in ("speciesblock", "nbody")})
    invalid_keys = set(block.keys) & BASIS_KEYS if len(elements) > 2 else set()
    invalid_keys |= (
        set(block.keys) & (EMBEDDING_KEYS - {"rho_core_cut", "drho_core_cut"}) if len(elements) > 1 else set()
    )
    if invalid_keys:  # the cuts and the core repulsion are valid, because python-ace writes them to every block
        keys = ", ".join(sorted(invalid_keys))
        raise FormatError(f"the block {block.name!r} has {keys}, which is not valid for {len(elements)} elements")
    functions = entry.get("nbody") or []
    if not isinstance(functions, list):
        raise FormatError(f"nbody of the block {block.name!r} should be a list")
    parsed = [_function(function, block) for function in functions]
    block.functions = [function for function in parsed if function is not None]
    return block


def _function(entry: Any, block: SpeciesBlock) -> ClusterFunction | None:
    """Return a checked cluster function; None for an entry with ``skip: true``."""
    _check_keys(entry, FUNCTION_KEYS, f"a function of the block {block.name!r}")
    location = f"of the function {str(entry)[:120]} of the block {block.name!r}"
    elements = _symbols(entry.get("type"))
    if not elements or elements[0] != block.elements[0] or not set(elements) <= set(block.elements):
        raise FormatError(f"the type {location} does not fit the elements of the block")
    if not isinstance(entry.get("skip", False), bool):
        raise FormatError(f"skip {location} should be true or false")
    ns, ls, inner = (tuple(_integers(entry.get(key, []), f"{key} {location}")) for key in ("nr", "nl", "lint"))
    rank = len(elements) - 1
    if len(ls) == 1 and rank == 2:  # stored once, because only equal l of two factors couple to a scalar
        ls = ls * 2
    if len(inner) == 0 and len(ls) == rank == 3:  # two factors must couple to the l of the third
        inner = ls[2:]
    if not rank or len(ns) != rank or len(ls) != rank or len(inner) != max(rank - 2, 0):
        counts = f"{len(ns)}, {len(ls)} and {len(inner)} entries"
        raise FormatError(f"nr, nl and lint {location} have {counts}, which does not fit its type of {rank} neighbours")
    coefficients = np.atleast_1d(as_numbers(entry.get("c"), f"c {location}")).tolist()
    function = ClusterFunction(tuple(elements), ns, ls, inner, coefficients)
    try:
        complex_invariant(ls, inner)
    except WiringError as error:
        raise FormatError(f"{error}, {location}") from None
    return None if entry.get("skip", False) else function


def _integers(value: Any, what: str) -> list[int]:
    """Return whole numbers; FormatError for other values."""
    result = np.atleast_1d(as_numbers(value, what))
    if result.ndim != 1 or not ((result >= 0) & (result <= _MAX_INTEGER)).all() or (result % 1 != 0).any():
        raise FormatError(f"{what} should be whole numbers up to {_MAX_INTEGER}, but is {str(value)[:80]}")
    return [int(n) for n in result]


def _symbols(value: Any) -> list[str]:
    """Return the chemical symbols in a text; YAML 1.1 reads No (nobelium) as false."""
    return ["No"] if value is False else str(value).split() if isinstance(value, str) else []


def _check_keys(value: Any, keys: Collection[str], what: str) -> None:
    """Raise FormatError if the value is not a mapping, or has an unknown key."""
    if not isinstance(value, dict):
        raise FormatError(f"{what} should be a mapping, but is {str(value)[:80]!r}")
    for key in value:
        if key not in keys:
            raise FormatError(f"{what} holds {str(key)[:40]!r}, which is not supported")


__getattr__ = old_names_of(__name__)
