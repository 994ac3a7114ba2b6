"""Suppression of messages of Lightning that are irrelevant for users of atomgraph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
IGNORED_WARNINGS = (
    ".*does not have many workers.*",  # building a batch is fast; data.num_workers can be set
    ".*GPU available but not used.*",  # the user sets fit.accelerator
    ".*smaller than the logging interval.*",  # nothing is logged by step
    ".*`isinstance\\(treespec, LeafSpec\\)`.*",
    ".*LeafSpec.*deprecated.*",
    ".*Checkpoint directory .* exists.*",
    ".*The `srun` command is available.*",
    ".*Experiment logs directory .* exists.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Within this context, suppress notices of Lightning about devices, workers and tips; other warnings are shown."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
