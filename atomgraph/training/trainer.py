"""fit: Lightning's trainer around a task, with what every run needs and an orderly way out."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from atomgraph.errors import AtomgraphError, ConfigError, FormatError
from atomgraph.training.checkpoint_content import check_resumable
from atomgraph.training.checkpoint_file import CheckpointFile, read_checkpoint, way_out
from atomgraph.training.checkpoints import Checkpoints
from atomgraph.training.quiet_lightning import quiet_lightning
from atomgraph.training.task import PotentialTask


def make_trainer(checkpoints: Checkpoints, callbacks: Sequence[pl.Callback] = (), **options: Any) -> pl.Trainer:
    """A Lightning trainer for potentials; options are the trainer's own (accelerator, devices, precision, max_epochs, ...).

    Raises:
        ConfigError: Where Lightning cannot serve the options on this machine; nothing is written.
    """
    options.setdefault("logger", False)
    try:
        with quiet_lightning():
            return pl.Trainer(
                callbacks=[*callbacks, checkpoints],
                plugins=[CheckpointFile()],
                default_root_dir=checkpoints.folder,
                inference_mode=False,  # forces are derivatives in validation, too
                use_distributed_sampler=False,  # EdgeBudgetSampler deals batches itself
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                **options,
            )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"fit: {' '.join(str(error).split())}") from error


def fit(trainer: pl.Trainer, task: PotentialTask, data: pl.LightningDataModule, *, resume: Path | None = None) -> None:
    """Train until the last epoch or until patience ends; the best weights are then in ``best.ckpt`` of the checkpoints.

    Args:
        trainer: Of ``make_trainer``.
        resume: A checkpoint to go on from.

    Raises:
        KeyboardInterrupt: After Ctrl-C or SIGTERM, once the trainer has shut down.
        TrainingError: For a loss that is not finite.
        FormatError: For a checkpoint with which the run cannot go on.
    """
    if resume is not None:
        check_resumable(resume, read_checkpoint(resume), trainer, task)
    before = signal.getsignal(signal.SIGINT)
    task.train()
    with quiet_lightning():
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume, weights_only=True)
        except SystemExit as exit_:  # Lightning's answer to Ctrl-C, and to a queue that takes its machine back
            if isinstance(exit_.__context__, KeyboardInterrupt) or isinstance(exit_, SIGTERMException):
                raise KeyboardInterrupt from None
            raise
        except Exception as error:
            if resume is None or isinstance(error, AtomgraphError | torch.OutOfMemoryError) or _has_begun(trainer):
                raise
            reason = " ".join(str(error).split())[:200]
            raise FormatError(
                f"{resume} cannot be gone on with: {type(error).__name__}: {reason}{way_out(resume)}"
            ) from error
        finally:
            if before is not None and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                signal.signal(signal.SIGINT, before)  # Lightning ignores Ctrl-C while it shuts down, and leaves it so


def _has_begun(trainer: pl.Trainer) -> bool:
    """Whether the first epoch began, so that what goes wrong is no fault of a checkpoint."""
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return any(callback.has_begun for callback in callbacks if isinstance(callback, Checkpoints))
