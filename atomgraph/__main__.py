"""``python -m atomgraph`` is the command line."""

from atomgraph.cli import entry

entry()
