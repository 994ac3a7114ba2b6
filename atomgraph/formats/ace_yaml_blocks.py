"""Blocks of python-ace's ``.yaml``: elements, bonds and cluster functions, checked, in the order of python-ace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atomgraph.errors import FormatError, WiringError
from atomgraph.ops.invariant_coupling import complex_invariant

EMBEDDING_KEYS = {"ndensityi", "npoti", "parameters", "rho_core_cut", "drho_core_cut"}
BASIS_KEYS = {"nradmaxi", "lmaxi", "nradbaseij", "radbase", "radparameters", "radcoefficients", "rcutij", "dcutij"}
CORE_KEYS = {"core-repulsion", "inner_cutoff_type", "r_in", "delta_in"}
_LARGEST = 1000  # largest accepted count, n or l
FUNCTION_KEYS = {"type", "nr", "nl", "lint", "c", "skip"}


@dataclass
class Function:
    """One entry of ``nbody``: elements (the centre first), n and l of the factors, inner degrees, a coefficient a density."""

    elements: tuple[str, ...]
    ns: tuple[int, ...]
    ls: tuple[int, ...]
    inner: tuple[int, ...]
    coefficients: list[float]

    @property
    def place(self) -> tuple[Any, ...]:
        """What python-ace sorts by; functions that differ in nothing of it stay in the order of the file."""
        ms = np.argwhere(complex_invariant(self.ls, self.inner).T)[:, ::-1].tolist()
        signed = [[i - l for i, l in zip(m, self.ls, strict=True)] for m in ms]
        half = [m for m in signed if next((i for i in m if i), 1) > 0]
        return len(self.ns), self.elements, self.ns, self.ls, len(half), half


@dataclass
class Block:
    """One species block: its elements, the keys that it holds, and its functions."""

    elements: list[str]
    keys: dict[str, Any]
    functions: list[Function] = field(default_factory=list)

    @property
    def name(self) -> str:
        return " ".join(self.elements)

    def numbers(self, key: str, default: Any = None) -> np.ndarray:
        """The finite numbers of a key, in their shape. FormatError if it is missing or holds anything else."""
        value = self.keys.get(key, default)
        if value is None:
            raise FormatError(f"its block {self.name!r} has no {key}")
        return as_numbers(value, f"{key} of its block {self.name!r}")

    def number(self, key: str, default: float | None = None) -> float:
        result = self.numbers(key, default)
        if result.shape != ():
            raise FormatError(f"{key} of its block {self.name!r} should be a number, but is {str(self.keys[key])[:80]}")
        return float(result)

    def whole(self, key: str) -> int:
        result = self.number(key)
        if not 0 <= result <= _LARGEST or result != int(result):
            raise FormatError(
                f"{key} of its block {self.name!r} should be a whole number up to {_LARGEST}, but is {result}"
            )
        return int(result)

    def basis(self) -> dict[str, Any]:
        """Radial basis and inner cutoff, to be compared and built; ``radcoefficients`` (n, l + 1, k)."""
        n, l, k = (self.whole(key) for key in ("nradmaxi", "lmaxi", "nradbaseij"))
        parameters, core = self.numbers("radparameters"), self.numbers("core-repulsion", [0.0, 0.0])
        if parameters.shape != (1,):
            raise FormatError(f"radparameters of its block {self.name!r} should be one number, but are {parameters}")
        if core.shape != (2,):
            raise FormatError(f"core-repulsion of its block {self.name!r} should be two numbers, but is {core}")
        kind = self.keys.get("inner_cutoff_type", "density")
        if kind not in ("density", "distance", "zbl"):
            raise FormatError(
                f"its block {self.name!r} has inner_cutoff_type {str(kind)[:40]!r}, which is not supported"
            )
        fade = self.keys.get("NameOfCutoffFunctionij", "cos")
        if fade not in ("cos", "poly"):  # python-ace takes either name and computes the same
            raise FormatError(
                f"its block {self.name!r} has NameOfCutoffFunctionij {str(fade)[:40]!r}, which is not supported"
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

    def _coefficients(self, n: int, degrees: int, k: int) -> np.ndarray:
        """(n, l + 1, k); files of old hold one long row of (k, n, l + 1)."""
        shape = (n, degrees, k)
        if 0 in shape:
            return np.zeros(shape)
        result = self.numbers("radcoefficients")
        if result.ndim == 1 and result.size == n * degrees * k:
            return result.reshape(k, n, degrees).transpose(1, 2, 0)
        if result.ndim != 3 or any(has < needed for has, needed in zip(result.shape, shape, strict=True)):
            raise FormatError(f"radcoefficients of its block {self.name!r} should be {shape}, but are {result.shape}")
        return result[:n, :degrees, :k]


def blocks(data: Any) -> list[Block]:
    """The species blocks of a file as YAML gives it; FormatError names what is missing or not known."""
    _known(data, {"global", "species", "metadata", "auxdata"}, "it")
    _known(data.get("global", {}), {"DeltaSplineBins"}, "its global")
    if not isinstance(data.get("species"), list) or not data["species"]:
        raise FormatError("it has no species; it may be cut short")
    result = [_block(entry) for entry in data["species"]]
    names = [tuple(block.elements) for block in result]
    for name in names:
        if names.count(name) > 1:
            raise FormatError(f"its block {' '.join(name)!r} comes twice")
    return result


def as_numbers(value: Any, what: str) -> np.ndarray:
    """Finite numbers as float64 (YAML 1.1 takes 1e-05 for a word); FormatError for anything else."""
    try:
        result = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"{what} should be numbers in rows of equal length, but is {str(value)[:80]}") from None
    if not np.isfinite(result).all() or isinstance(value, bool):
        raise FormatError(f"{what} should be finite numbers, but is {str(value)[:80]}")
    return result


def _block(entry: Any) -> Block:
    _known(
        entry, {"speciesblock", "nbody", "NameOfCutoffFunctionij", *EMBEDDING_KEYS, *BASIS_KEYS, *CORE_KEYS}, "a block"
    )
    elements = _words(entry.get("speciesblock"))
    if not elements:
        raise FormatError("a block has no speciesblock")
    if len(elements) == 2 and elements[0] == elements[1]:
        elements = elements[:1]
    if len(set(elements)) != len(elements):
        raise FormatError(f"its block {' '.join(elements)!r} repeats an element")
    block = Block(elements, {key: value for key, value in entry.items() if key not in ("speciesblock", "nbody")})
    strange = set(block.keys) & BASIS_KEYS if len(elements) > 2 else set()
    strange |= set(block.keys) & (EMBEDDING_KEYS - {"rho_core_cut", "drho_core_cut"}) if len(elements) > 1 else set()
    if strange:  # python-ace writes the cuts and the core repulsion to every block, and reads them where they belong
        raise FormatError(f"its block {block.name!r} has {', '.join(sorted(strange))}, which has no meaning there")
    functions = entry.get("nbody") or []
    if not isinstance(functions, list):
        raise FormatError(f"nbody of its block {block.name!r} should be a list")
    built = [_function(first, block) for first in functions]
    block.functions = [first for first in built if first is not None]
    return block


def _function(entry: Any, block: Block) -> Function | None:
    """None for an entry that is to be skipped."""
    _known(entry, FUNCTION_KEYS, f"a function of its block {block.name!r}")
    where = f"of the function {str(entry)[:120]} of its block {block.name!r}"
    elements = _words(entry.get("type"))
    if not elements or elements[0] != block.elements[0] or not set(elements) <= set(block.elements):
        raise FormatError(f"the type {where} does not belong there")
    if not isinstance(entry.get("skip", False), bool):
        raise FormatError(f"skip {where} should be true or false")
    ns, ls, inner = (tuple(_whole(entry.get(key, []), f"{key} {where}")) for key in ("nr", "nl", "lint"))
    rank = len(elements) - 1
    if len(ls) == 1 and rank == 2:
        ls = ls * 2
    if len(inner) == 0 and len(ls) == rank == 3:
        inner = ls[2:]
    if not rank or len(ns) != rank or len(ls) != rank or len(inner) != max(rank - 2, 0):
        raise FormatError(f"numbers of nr, nl and lint {where} do not fit its type")
    coefficients = np.atleast_1d(as_numbers(entry.get("c"), f"c {where}")).tolist()
    function = Function(tuple(elements), ns, ls, inner, coefficients)
    try:
        complex_invariant(ls, inner)
    except WiringError as error:
        raise FormatError(f"{error}, {where}") from None
    return None if entry.get("skip", False) else function


def _whole(value: Any, what: str) -> list[int]:
    result = np.atleast_1d(as_numbers(value, what))
    if result.ndim != 1 or not ((result >= 0) & (result <= _LARGEST)).all() or (result % 1 != 0).any():
        raise FormatError(f"{what} should be whole numbers up to {_LARGEST}, but is {str(value)[:80]}")
    return [int(n) for n in result]


def _words(value: Any) -> list[str]:
    """Chemical symbols in a text; YAML 1.1 takes nobelium for a no."""
    return ["No"] if value is False else str(value).split() if isinstance(value, str) else []


def _known(value: Any, keys: Collection[str], what: str) -> None:
    if not isinstance(value, dict):
        raise FormatError(f"{what} should be a mapping, but is {str(value)[:80]!r}")
    for key in value:
        if key not in keys:
            raise FormatError(f"{what} holds {str(key)[:40]!r}, which is not supported")
