"""The function ``compare``, which compares methods of fine-tuning at several sizes of the training set (finetune --compare)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.resolve import read_finetune_config
from atomgraph.runs.folder_lock import lock_folder

if TYPE_CHECKING:
    from atomgraph.analysis.finetuning.method_comparison import RunResult  # imports matplotlib


def compare(config: FinetuneConfig | Mapping[str, Any] | str | Path, *, quiet: bool = False) -> list[RunResult]:
    """Execute the unfinished runs of the section ``compare``, and compare the errors of all runs.

    Writes ``compare.json`` and ``compare.html`` into the output folder, and each run into a subfolder of its folder ``runs``.

    Args:
        config: The configuration: a mapping, the path of a YAML file, or a ``FinetuneConfig``.
        quiet: Suppress output.

    Returns:
        A ``RunResult`` for each run: errors on the new data (target) and on the earlier data (source).

    Raises:
        ConfigError: If the configuration of any run has an error; raised before the first run.
        DataError: If structures of any run cannot be read or lack labels; raised before the first run.
    """
    from atomgraph.runs.finetuning.comparison import compare_methods

    checked = read_finetune_config(config)
    with lock_folder(checked.output.folder):
        return compare_methods(checked, quiet=quiet)
