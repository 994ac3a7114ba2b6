"""One YAML, one run: validated, resolved, carried out."""

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.finetuning import compare, finetune, finetune_config_of
from atomgraph.config.resolve import config_of
from atomgraph.config.run import resume, train
from atomgraph.config.schema import Config

__all__ = ["Config", "FinetuneConfig", "compare", "config_of", "finetune", "finetune_config_of", "resume", "train"]
