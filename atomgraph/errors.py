"""What can go wrong for a user of atomgraph, as one small family.

Every message says what was wanted, what came, and the way out. The command line prints it behind ``error:`` and ends
with exit code 2; no traceback is owed to somebody who mistyped a file name.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


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


def nearest(word: str, known: Iterable[str]) -> str:
    """``'; did you mean X?'`` with the nearest known word, or ``'; known are ...'`` where none is near and they are few."""
    in_lower_case = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), in_lower_case, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {in_lower_case[close[0]]}?"
    return f"; known are {', '.join(sorted(in_lower_case.values()))}" if 0 < len(in_lower_case) <= 20 else ""
