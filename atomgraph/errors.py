"""Errors that users of atomgraph can cause, and suggestions for misspelt names.

Every message states the expected value, the given value, and how to correct the error. Commands print the message after
``error:`` and end with exit code 2, without a traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher

from atomgraph.old_names import old_names_of


class AtomgraphError(Exception):
    """Base class of all errors that users can cause."""


class GraphError(AtomgraphError, ValueError):
    """A structure that cannot become a graph, or a graph that does not fit the model."""


class DataError(AtomgraphError, ValueError):
    """Files, labels, units or splits that cannot be trained on or compared with."""


class WiringError(AtomgraphError, ValueError):
    """Parts whose irreps do not fit together, or constructor arguments from which no part can be built."""


class ConfigError(AtomgraphError, ValueError):
    """A configuration with an unknown key, a wrong type or a value out of range."""


class FormatError(AtomgraphError, ValueError):
    """A file that cannot be written, or a potential file that is damaged, of an unsupported format or of a newer version."""


class TrainingError(AtomgraphError, RuntimeError):
    """A training run that cannot start, continue or be resumed."""


def a_kind(value: object) -> str:
    """Return the type of a value with its article: ``an AtomicGraph``, ``a dict``."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


MAX_LISTED = 40  # largest number of names in a message


def nearest(word: str, names: Iterable[str]) -> str:
    """Return a suggestion for an unknown word, to be appended to an error message.

    Args:
        word: The unknown word.
        names: The names that exist.

    Returns:
        ``'; did you mean X?'`` for a misspelt name; else ``'; known are ...'``, or nothing if there are many names.
    """
    sorted_names = sorted(set(names))
    all_names = f"; known are {', '.join(sorted_names)}" if 0 < len(sorted_names) <= MAX_LISTED else ""
    return spelling_suggestion(word, sorted_names) or all_names


def check_name(kind: str, name: object, names: Collection[str]) -> None:
    """Raise WiringError for an unknown name of an option, with a suggestion.

    Args:
        kind: Description of the option, such as ``envelope``.
        name: The name.
        names: The names that exist.
    """
    if name not in names:
        raise WiringError(f"unknown {kind} {name!r}{nearest(str(name), names)}")


def spelling_suggestion(word: str, names: Iterable[str]) -> str:
    """Return ``'; did you mean X?'`` if a name is similar to a word or begins with it, else an empty text.

    The number of errors is the Damerau-Levenshtein distance: missing, additional, wrong and exchanged letters. Words of up to
    five letters may have one error, words of up to nine letters two, longer words three. Case, underscores and hyphens are
    ignored.

    Args:
        word: The unknown word.
        names: The names that exist.
    """
    simple_word, best = _simplify(word), None
    for name in names:
        simple_name = _simplify(name)
        n_errors = _edit_distance(simple_word, simple_name)
        longest = max(len(simple_word), len(simple_name))
        similarity = SequenceMatcher(None, simple_word, simple_name).ratio()
        is_near = n_errors <= 1 + (longest > 5) + (longest > 9) and similarity >= 0.6
        is_exchange = sorted(simple_word) == sorted(simple_name)
        if longest <= 5 and len(simple_word) == len(simple_name) and simple_word[:1] != simple_name[:1]:
            is_near = is_near and is_exchange  # n_max is not a misspelt l_max
        is_beginning = len(simple_word) > 2 and simple_name.startswith(simple_word)
        if is_near or is_beginning:
            rank = (-n_errors, similarity, name)
            best = rank if best is None else max(best, rank)
    return "" if best is None else f"; did you mean {best[2]}?"


def _simplify(word: str) -> str:
    """Return a word in lower case, without underscores and hyphens, with the ending ``y`` for ``ies``."""
    simple = word.lower().replace("_", "").replace("-", "")
    return f"{simple[:-3]}y" if simple.endswith("ies") else simple


def _edit_distance(left: str, right: str) -> int:
    """Damerau-Levenshtein distance of two words (optimal string alignment)."""
    second_previous_row: list[int] = []
    previous_row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous_row[j] + 1, row[j - 1] + 1, previous_row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, second_previous_row[j - 2] + 1)
            row.append(cost)
        second_previous_row, previous_row = previous_row, row
    return previous_row[-1]


__getattr__ = old_names_of(__name__)
