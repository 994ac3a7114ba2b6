"""The data doctor: what in a data set would spoil a potential, found before it does."""

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.run_checks import examine

__all__ = ["NOTE", "WARNING", "WRONG", "Finding", "examine"]
