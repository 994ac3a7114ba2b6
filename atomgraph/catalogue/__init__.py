"""Public models by name: a table of download addresses, and a cache folder for downloaded files."""

from atomgraph.catalogue.download import fetch
from atomgraph.catalogue.model_table import PublicModel, public_models, public_name
from atomgraph.old_names import old_names_of

__all__ = ["PublicModel", "fetch", "public_models", "public_name"]


__getattr__ = old_names_of(__name__)
