"""Run the command line by ``python -m atomgraph``."""

from atomgraph.cli import entry

if __name__ == "__main__":
    entry()
