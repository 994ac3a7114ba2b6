"""Public models by name: a table of where they are, and a folder where they are kept once they were fetched."""

from atomgraph.catalogue.download import fetched
from atomgraph.catalogue.model_table import PublicModel, public_models, public_name

__all__ = ["PublicModel", "fetched", "public_models", "public_name"]
