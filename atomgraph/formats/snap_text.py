"""Parser of the two text files of a SNAP potential, with checks."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

from atomgraph.errors import FormatError, WiringError, nearest
from atomgraph.featurizers.bispectrum import HIGHEST_TWOJMAX
from atomgraph.nn.elements import checked_symbols
from atomgraph.old_names import old_names_of
from atomgraph.ops.triple_integrals import degree_triples

_FLAGS = {  # keyword: default
    **{"switchflag": 1, "bzeroflag": 1, "quadraticflag": 0, "chemflag": 0, "bnormflag": 0, "wselfallflag": 0},
    "switchinnerflag": 0,
}
_NUMBERS = {  # keyword: default; None if the keyword is required
    "rcutfac": None,
    "rfac0": 0.99363,
    "rmin0": 0.0,
}
LISTS = ("sinner", "dinner")  # keywords with one number per element
_PERFORMANCE = ("chunksize", "parallelthresh")  # keywords without effect on energies
_KEYWORDS = (*_NUMBERS, "twojmax", *_FLAGS, *LISTS, *_PERFORMANCE, "diagonalstyle")


def read_coefficients(path: Path) -> tuple[list[str], list[float], list[float], list[list[float]]]:
    """Return the content of the coefficient file.

    Returns:
        Chemical symbols; radii, in units of ``rcutfac``, one per element; weights, one per element; coefficients of
        each element, eV, the constant first.

    Raises:
        FormatError: If the file is damaged.
    """
    lines = _lines(path)
    if not lines or len(lines[0][1]) != 2:
        content = f"line {lines[0][0]} is {' '.join(lines[0][1])!r}" if lines else "it is empty"
        raise FormatError(f"{path} should begin with the numbers of elements and of coefficients, but {content}")
    n_elements, n_coefficients = (_integer(path, lines[0][0], word, 1) for word in lines[0][1])
    if len(lines) != (expected := 1 + n_elements * (n_coefficients + 1)):
        raise FormatError(
            f"{path} should have {expected} lines for {n_elements} elements of {n_coefficients} coefficients, but has "
            f"{len(lines)}; it is cut short or damaged, so copy it again"
        )
    symbols: list[str] = []
    radii, weights, table = [], [], []
    for start in range(1, expected, n_coefficients + 1):
        number, words = lines[start]
        if len(words) != 3:
            raise FormatError(
                f"{path}, line {number}: expected an element, its radius and its weight, but got {' '.join(words)!r}"
            )
        symbols.append(words[0])
        radii.append(_number(path, number, words[1]))
        weights.append(_number(path, number, words[2]))
        block = lines[start + 1 : start + 1 + n_coefficients]
        for number, words in block:
            if len(words) != 1:
                raise FormatError(f"{path}, line {number}: expected one coefficient, but got {' '.join(words)!r}")
        table.append([_number(path, number, words[0]) for number, words in block])
    try:
        return checked_symbols(symbols), radii, weights, table
    except WiringError as error:
        raise FormatError(f"{path}: {error}; name each element once, by its chemical symbol") from None


def read_parameters(path: Path, n_elements: int) -> dict[str, Any]:
    """Return the values of all keywords, defaults included.

    Args:
        path: The parameter file.
        n_elements: Number of elements in the coefficient file.

    Raises:
        FormatError: If a keyword is unknown or missing, or a value is invalid.
    """
    result: dict[str, Any] = {}
    for line, (keyword, *words) in _lines(path):
        if keyword not in _KEYWORDS:
            raise FormatError(
                f"{path}, line {line}: pair_style snap has no keyword {keyword!r}{nearest(keyword, _KEYWORDS)}"
            )
        if keyword in result:
            raise FormatError(f"{path}, line {line}: {keyword} is set twice; keep only one line")
        expected = n_elements if keyword in LISTS else 1
        if len(words) != expected:
            raise FormatError(f"{path}, line {line}: {keyword} needs {expected} values, but has {len(words)}")
        if keyword in LISTS:
            result[keyword] = [_number(path, line, word) for word in words]
        elif keyword in _NUMBERS:
            result[keyword] = _number(path, line, words[0])
        else:
            result[keyword] = _integer(path, line, words[0], 0)
        if keyword in _FLAGS and result[keyword] not in (0, 1):
            raise FormatError(f"{path}, line {line}: {keyword} should be 0 or 1, but is {words[0]}")
    if result.get("diagonalstyle", 3) != 3:
        raise FormatError(
            f"{path} has diagonalstyle {result['diagonalstyle']}, which LAMMPS removed in 2019; only 3 is read"
        )
    missing_keywords = [keyword for keyword in ("rcutfac", "twojmax") if keyword not in result]
    if missing_keywords:
        raise FormatError(
            f"{path} lacks {' and '.join(missing_keywords)}, which every SNAP potential needs; add the missing line"
        )
    if result["twojmax"] > HIGHEST_TWOJMAX:
        raise FormatError(f"{path} has twojmax {result['twojmax']}; components are computed up to {HIGHEST_TWOJMAX}")
    given_lists = [name for name in LISTS if name in result]
    if len(given_lists) != (2 if result.get("switchinnerflag") else 0):
        raise FormatError(
            f"{path}: switchinnerflag 1 needs sinner and dinner, and they need switchinnerflag 1, but switchinnerflag is "
            f"{result.get('switchinnerflag', 0)}, with {' and '.join(given_lists) or 'neither'}; set all three or none"
        )
    return {**_NUMBERS, **_FLAGS, **result}


def count_coefficients(parameters: dict[str, Any], n_elements: int) -> int:
    """Return the number of coefficients per element, the constant included."""
    n = len(degree_triples(parameters["twojmax"])) * (n_elements**3 if parameters["chemflag"] else 1)
    return 1 + n + (n * (n + 1) // 2 if parameters["quadraticflag"] else 0)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return line number and words of each line that is not empty or a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{path} is not a text file, as SNAP potentials are; copy or download it again") from None
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    words = [line.partition("#")[0].replace('"', " ").replace("'", " ").split() for line in text.splitlines()]
    return [(number, line) for number, line in enumerate(words, start=1) if line]


def _number(path: Path, line: int, word: str) -> float:
    """Return a finite number; FormatError for other words."""
    try:
        value = float(word) if "_" not in word else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise FormatError(
            f"{path}, line {line}: expected a finite number, but got {word!r}; fit or download the potential again"
        )
    return value


def _integer(path: Path, line: int, word: str, minimum: int) -> int:
    """Return a whole number of at least ``minimum``, with fewer than 10 digits; FormatError for other words."""
    if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) >= minimum):
        raise FormatError(f"{path}, line {line}: expected a whole number of at least {minimum}, but got {word!r}")
    return int(word)


__getattr__ = old_names_of(__name__)
