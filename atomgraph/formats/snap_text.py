"""Reads the text of SNAP's two files, line by line, with checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomgraph.errors import FormatError, WiringError, nearest
from atomgraph.featurizers.bispectrum import HIGHEST_TWOJMAX
from atomgraph.nn.elements import checked_symbols
from atomgraph.ops.triple_integrals import degree_triples

_FLAGS = {  # keyword: its default
    **{"switchflag": 1, "bzeroflag": 1, "quadraticflag": 0, "chemflag": 0, "bnormflag": 0, "wselfallflag": 0},
    "switchinnerflag": 0,
}
_NUMBERS = {"rcutfac": None, "rfac0": 0.99363, "rmin0": 0.0}
LISTS = ("sinner", "dinner")  # one number an element
_OF_SPEED = ("chunksize", "parallelthresh")  # how LAMMPS divides its work; no number depends on them
_KEYWORDS = (*_NUMBERS, "twojmax", *_FLAGS, *LISTS, *_OF_SPEED, "diagonalstyle")


def coefficients(path: Path) -> tuple[list[str], list[float], list[float], list[list[float]]]:
    """Elements, radii, weights, and the coefficients of each element, the constant first."""
    lines = _lines(path)
    if not lines or len(lines[0][1]) != 2:
        came = f"line {lines[0][0]} is {' '.join(lines[0][1])!r}" if lines else "there is no line at all"
        raise FormatError(f"{path} should begin with two numbers, of elements and of coefficients, but {came}")
    n_elements, n_coefficients = (_whole(path, lines[0][0], word, 1) for word in lines[0][1])
    if len(lines) != (expected := 1 + n_elements * (n_coefficients + 1)):
        raise FormatError(
            f"{path} should have {expected} lines for {n_elements} elements of {n_coefficients} coefficients, but has "
            f"{len(lines)}; it is cut short or damaged, so copy it again"
        )
    symbols: list[str] = []
    radii, weights, table = [], [], []
    for first in range(1, expected, n_coefficients + 1):
        number, words = lines[first]
        if len(words) != 3:
            raise FormatError(
                f"{path}, line {number}: wanted an element, its radius and its weight, but is {' '.join(words)!r}"
            )
        symbols.append(words[0])
        radii.append(_number(path, number, words[1]))
        weights.append(_number(path, number, words[2]))
        block = lines[first + 1 : first + 1 + n_coefficients]
        for number, words in block:
            if len(words) != 1:
                raise FormatError(f"{path}, line {number}: wanted one coefficient, but is {' '.join(words)!r}")
        table.append([_number(path, number, words[0]) for number, words in block])
    try:
        return checked_symbols(symbols), radii, weights, table
    except WiringError as error:
        raise FormatError(f"{path}: {error}; name each element once, by its chemical symbol") from None


def parameters_of(path: Path, n_elements: int) -> dict[str, Any]:
    """Every keyword's value, defaults included."""
    result: dict[str, Any] = {}
    for line, (keyword, *words) in _lines(path):
        if keyword not in _KEYWORDS:
            raise FormatError(
                f"{path}, line {line}: pair_style snap has no keyword {keyword!r}{nearest(keyword, _KEYWORDS)}"
            )
        if keyword in result:
            raise FormatError(f"{path}, line {line}: {keyword} was said before; leave only one of them")
        expected = n_elements if keyword in LISTS else 1
        if len(words) != expected:
            raise FormatError(f"{path}, line {line}: {keyword} wants {expected} values, but has {len(words)}")
        if keyword in LISTS:
            result[keyword] = [_number(path, line, word) for word in words]
        elif keyword in _NUMBERS:
            result[keyword] = _number(path, line, words[0])
        else:
            result[keyword] = _whole(path, line, words[0], 0)
        if keyword in _FLAGS and result[keyword] not in (0, 1):
            raise FormatError(f"{path}, line {line}: {keyword} should be 0 or 1, but is {words[0]}")
    if result.get("diagonalstyle", 3) != 3:
        raise FormatError(
            f"{path} has diagonalstyle {result['diagonalstyle']}, components that LAMMPS gave up in 2019; only 3 is read"
        )
    missing = [keyword for keyword in ("rcutfac", "twojmax") if keyword not in result]
    if missing:
        raise FormatError(f"{path} lacks {' and '.join(missing)}, without which there is no SNAP potential; add it")
    if result["twojmax"] > HIGHEST_TWOJMAX:
        raise FormatError(f"{path} has twojmax {result['twojmax']}; components are computed up to {HIGHEST_TWOJMAX}")
    given = [name for name in LISTS if name in result]
    if len(given) != (2 if result.get("switchinnerflag") else 0):
        raise FormatError(
            f"{path}: switchinnerflag 1 goes with sinner and dinner, but it is {result.get('switchinnerflag', 0)} and there "
            f"{'are' if len(given) == 2 else 'is'} {' and '.join(given) or 'neither'}; say all three, or none"
        )
    return {**_NUMBERS, **_FLAGS, **result}


def n_coefficients(parameters: dict[str, Any], n_elements: int) -> int:
    """How many coefficients an element has, its constant included."""
    n = len(degree_triples(parameters["twojmax"])) * (n_elements**3 if parameters["chemflag"] else 1)
    return 1 + n + (n * (n + 1) // 2 if parameters["quadraticflag"] else 0)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Numbers and words of the lines that hold more than a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{path} is no text, and a SNAP potential is; copy or download it again") from None
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    words = [line.partition("#")[0].replace('"', " ").replace("'", " ").split() for line in text.splitlines()]
    return [(number, line) for number, line in enumerate(words, start=1) if line]


def _number(path: Path, line: int, word: str) -> float:
    try:
        value = float(word) if "_" not in word else float("nan")
    except ValueError:
        value = float("nan")
    if value - value != 0.0:
        raise FormatError(f"{path}, line {line}: wanted a finite number, but is {word!r}; fit or download it again")
    return value


def _whole(path: Path, line: int, word: str, least: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) >= least):
        raise FormatError(f"{path}, line {line}: wanted a whole number of at least {least}, but is {word!r}")
    return int(word)
