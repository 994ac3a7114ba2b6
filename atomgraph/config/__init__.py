"""Configurations: schemas, reading, validation and resolving. Nothing runs here; ``runs`` carries a configuration out."""

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.resolve import config_of, finetune_config_of
from atomgraph.config.schema import Config
from atomgraph.old_names import old_names_of

__all__ = ["Config", "FinetuneConfig", "config_of", "finetune_config_of"]

__getattr__ = old_names_of(__name__)
