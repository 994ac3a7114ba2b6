"""Reports: tables, figures, HTML pages, and the report of a training run."""

from atomgraph.old_names import old_names_of

__getattr__ = old_names_of(__name__)
