"""atomgraph finetune CONFIG.yaml [key.sub=value ...], atomgraph finetune --resume RUN"""

from __future__ import annotations

from atomgraph.cli.train import Overwrite, Resume, Words, taken_apart


def finetune(words: Words = None, resume: Resume = None, overwrite: Overwrite = False) -> None:
    """A potential that is there already to one for your data: a run folder like that of train.

    Ctrl-C stops in good order: whole epochs are saved, and --resume goes on exactly where they end.
    """
    from atomgraph import config

    file, overrides = taken_apart("finetune", words, resume, overwrite)
    if resume is not None:
        config.resume(resume, overrides)
    else:
        config.finetune(config.finetune_config_of(file, overrides), overwrite=overwrite)
