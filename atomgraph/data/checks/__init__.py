"""Data checks, which find errors in a data set that would make a potential worse."""

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.run_checks import examine

__all__ = ["NOTE", "WARNING", "WRONG", "Finding", "examine"]
