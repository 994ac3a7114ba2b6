"""The data doctor: what in a data set would spoil a potential, found before it does."""

from atomgraph.data.doctor.examination import examine
from atomgraph.data.doctor.findings import NOTE, WARNING, WRONG, Finding

__all__ = ["NOTE", "WARNING", "WRONG", "Finding", "examine"]
