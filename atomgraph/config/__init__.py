"""Configurations: schemas, reading and validation. The package ``runs`` executes a configuration."""

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.resolve import read_config, read_finetune_config
from atomgraph.config.schema import Config
from atomgraph.old_names import old_names_of

__all__ = ["Config", "FinetuneConfig", "read_config", "read_finetune_config"]

__getattr__ = old_names_of(__name__)
