"""finetune --compare: methods of fine-tuning at several sizes of the training set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.resolve import finetune_config_of
from atomgraph.runs.folder_lock import locked

if TYPE_CHECKING:
    from atomgraph.analysis.finetuning.method_comparison import RunResult  # imports matplotlib


def compare(config: FinetuneConfig | Mapping[str, Any] | str | Path, *, quiet: bool = False) -> list[RunResult]:
    """Run the methods and sizes of the section ``compare`` that are not finished yet, and compare their errors.

    Each run has its folder under ``runs/`` of the output folder, beside ``compare.json`` and ``compare.html``.

    Args:
        config: A mapping, a YAML file, or a validated ``FinetuneConfig``.
        quiet: Whether nothing is printed.

    Returns:
        Errors on the target and on the source, a ``RunResult`` a run.

    Raises:
        ConfigError: Before the first run, for a mistake in any of them.
        DataError: Before the first run, for a mistake in any of them.
    """
    from atomgraph.runs.finetuning.comparison import compare_methods

    checked = finetune_config_of(config)
    with locked(checked.output.folder):
        return compare_methods(checked, quiet=quiet)
