"""Lightning says a good deal that no user of atomgraph can act on; here it is hushed, and nothing else is."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
HUSHED = (
    ".*does not have many workers.*",  # batches are cheap beside the step; data.num_workers is there
    ".*GPU available but not used.*",  # fit.accelerator says what is used
    ".*smaller than the logging interval.*",  # nothing is logged by step
    ".*`isinstance\\(treespec, LeafSpec\\)`.*",
    ".*LeafSpec.*deprecated.*",
    ".*Checkpoint directory .* exists.*",
    ".*The `srun` command is available.*",
    ".*Experiment logs directory .* exists.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Inside, Lightning's notices about devices, workers and tips are not shown; its warnings about anything else are."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        for message in HUSHED:
            warnings.filterwarnings("ignore", message=message)
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
