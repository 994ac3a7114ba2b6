"""One YAML, one run: validated, resolved, carried out."""

from atomgraph.config.resolve import config_of
from atomgraph.config.run import resume, train
from atomgraph.config.schema import Config

__all__ = ["Config", "config_of", "resume", "train"]
