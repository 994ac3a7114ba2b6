"""atomgraph finetune CONFIG.yaml [key.sub=value ...] [--compare], atomgraph finetune --resume RUN"""

from __future__ import annotations

from typing import Annotated

import typer

from atomgraph.cli.import_option import import_modules
from atomgraph.cli.train import Imports, Overwrite, Resume, Words, split_arguments
from atomgraph.errors import ConfigError

Compare = Annotated[
    bool,
    typer.Option(
        "--compare",
        help="Run every method with every training set size of the section compare; finished runs are not repeated.",
    ),
]


def finetune(
    arguments: Words = None,
    resume: Resume = None,
    overwrite: Overwrite = False,
    compare: Compare = False,
    imports: Imports = None,
) -> None:
    """Fine-tune an existing potential on your data. The run folder has the same files as a run of train.

    After Ctrl-C all finished epochs are saved, and --resume continues after the last one.
    """
    from atomgraph import runs
    from atomgraph.config import read_finetune_config

    import_modules(imports)
    file, overrides = split_arguments("finetune", arguments, resume, overwrite)
    if compare:
        if resume is not None or overwrite:
            raise ConfigError("--compare always resumes its unfinished runs; remove --resume and --overwrite")
        runs.compare(read_finetune_config(file, overrides))
        return
    if resume is not None:
        metrics = runs.resume(resume, overrides)[1]
    else:
        metrics = runs.finetune(read_finetune_config(file, overrides), overwrite=overwrite)[1]
    if metrics.get("warnings"):
        raise typer.Exit(1)
