"""atomgraph finetune CONFIG.yaml [key.sub=value ...] [--compare], atomgraph finetune --resume RUN"""

from __future__ import annotations

from typing import Annotated

import typer

from atomgraph.cli.import_option import import_modules
from atomgraph.cli.train import Imports, Overwrite, Resume, Words, split_arguments
from atomgraph.errors import ConfigError

Compare = Annotated[
    bool,
    typer.Option("--compare", help="Run the methods and sizes of the section compare; finished runs are not repeated."),
]


def finetune(
    words: Words = None,
    resume: Resume = None,
    overwrite: Overwrite = False,
    compare: Compare = False,
    imports: Imports = None,
) -> None:
    """A potential that is there already to one for your data: a run folder like that of train.

    Ctrl-C stops in good order: whole epochs are saved, and --resume goes on exactly where they end.
    """
    from atomgraph import runs
    from atomgraph.config import finetune_config_of

    import_modules(imports)
    file, overrides = split_arguments("finetune", words, resume, overwrite)
    if compare:
        if resume is not None or overwrite:
            raise ConfigError("--compare goes on by itself where it was stopped; leave --resume and --overwrite out")
        runs.compare(finetune_config_of(file, overrides))
        return
    if resume is not None:
        metrics = runs.resume(resume, overrides)[1]
    else:
        metrics = runs.finetune(finetune_config_of(file, overrides), overwrite=overwrite)[1]
    if metrics.get("warnings"):
        raise typer.Exit(1)
