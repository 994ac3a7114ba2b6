"""Errors that users of atomgraph can cause, in one small family.

Every message says what was expected, what came, and the way out. The command line prints it after ``error:`` and ends
with exit code 2, without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


class AtomgraphError(Exception):
    """The family's root: catch this to catch whatever a user can get wrong."""


class GraphError(AtomgraphError, ValueError):
    """A structure that cannot become a graph, or a graph that does not fit the model."""


class DataError(AtomgraphError, ValueError):
    """Files, labels, units or splits that cannot be trained on or compared with."""


class WiringError(AtomgraphError, ValueError):
    """Parts whose irreps do not fit together, or constructor arguments that make no part."""


class ConfigError(AtomgraphError, ValueError):
    """A configuration with an unknown key, a wrong type or a value out of range."""


class FormatError(AtomgraphError, ValueError):
    """A file that cannot be written, or a potential's that is corrupt, foreign, from the future, or not what was asked for."""


class TrainingError(AtomgraphError, RuntimeError):
    """A training run that cannot start, go on or be resumed."""


def a_kind(value: object) -> str:
    """The type of a value with its article: ``an AtomicGraph``, ``a dict``."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


LISTED = 40  # names that a message lists at most


def nearest(word: str, known: Iterable[str]) -> str:
    """``'; did you mean X?'`` for a likely slip of the pen, or ``'; known are ...'`` where none is near and they are few.

    Args:
        word: What was written.
        known: What could have been meant.
    """
    names = sorted(set(known))
    return slip(word, names) or (f"; known are {', '.join(names)}" if 0 < len(names) <= LISTED else "")


def slip(word: str, known: Iterable[str]) -> str:
    """``'; did you mean X?'`` where one of the known words differs by a slip of the pen or a beginning; else empty.

    A slip is a letter too many, too few or another one, or two that changed places: one in words of up to five letters, two
    in words of up to nine, three in longer ones. Capitals and underscores do not count.

    Args:
        word: What was written.
        known: What could have been meant.
    """
    written, best = _bare(word), None
    for name in known:
        bare = _bare(name)
        n_slips = _slips(written, bare)
        longest = max(len(written), len(bare))
        alike = SequenceMatcher(None, written, bare).ratio()
        is_near = n_slips <= 1 + (longest > 5) + (longest > 9) and alike >= 0.6
        if longest <= 5 and len(written) == len(bare) and written[:1] != bare[:1] and sorted(written) != sorted(bare):
            is_near = False  # n_max is no slip of l_max
        begins = len(written) > 2 and bare.startswith(written)
        if is_near or begins:
            rank = (-n_slips, alike, name)
            best = rank if best is None else max(best, rank)
    return "" if best is None else f"; did you mean {best[2]}?"


def _bare(word: str) -> str:
    """In lower case, without underscores and the plural of energies."""
    bare = word.lower().replace("_", "").replace("-", "")
    return f"{bare[:-3]}y" if bare.endswith("ies") else bare


def _slips(left: str, right: str) -> int:
    """Slips that lead from one word to another (Damerau-Levenshtein distance, optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
