"""``python -m atomgraph`` is the command line."""

from atomgraph.cli import entry

if __name__ == "__main__":
    entry()
