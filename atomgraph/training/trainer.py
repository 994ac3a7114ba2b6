"""Training with Lightning: construction of the trainer, and the fit with clear errors and interruption by Ctrl-C."""

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
from atomgraph.training.checkpoint_file import CheckpointFile, read_checkpoint, recovery_advice
from atomgraph.training.checkpoints import Checkpoints
from atomgraph.training.quiet_lightning import quiet_lightning
from atomgraph.training.task import PotentialTask


def make_trainer(checkpoints: Checkpoints, callbacks: Sequence[pl.Callback] = (), **options: Any) -> pl.Trainer:
    """Return a Lightning trainer for potentials.

    Args:
        checkpoints: Writer of checkpoints.
        callbacks: Further callbacks.
        options: Arguments of ``lightning.pytorch.Trainer``: accelerator, devices, precision, max_epochs, ...

    Raises:
        ConfigError: If Lightning does not support the options on this machine.
    """
    options.setdefault("logger", False)
    try:
        with quiet_lightning():
            return pl.Trainer(
                callbacks=[*callbacks, checkpoints],
                plugins=[CheckpointFile()],
                default_root_dir=checkpoints.folder,
                inference_mode=False,  # forces are derivatives, also in validation
                use_distributed_sampler=False,  # EdgeBudgetSampler distributes the batches
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                **options,
            )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"fit: {' '.join(str(error).split())}") from error


def fit(trainer: pl.Trainer, task: PotentialTask, data: pl.LightningDataModule, *, resume: Path | None = None) -> None:
    """Train until the last epoch or early stopping; afterwards, ``best.ckpt`` contains the best weights.

    Args:
        trainer: Trainer from ``make_trainer``.
        task: Task to train.
        data: Data of the training and validation parts.
        resume: Checkpoint from which to resume; None: a new run.

    Raises:
        KeyboardInterrupt: If the user presses Ctrl-C, or the process gets SIGTERM. The trainer is shut down first.
        TrainingError: If the loss is not finite.
        FormatError: If the run cannot be resumed from the checkpoint.
    """
    if resume is not None:
        check_resumable(resume, read_checkpoint(resume), trainer, task)
    handler = signal.getsignal(signal.SIGINT)
    task.train()
    with quiet_lightning():
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume, weights_only=True)
        except SystemExit as exit_:  # raised by Lightning after Ctrl-C, and after SIGTERM of a batch system
            if isinstance(exit_.__context__, KeyboardInterrupt) or isinstance(exit_, SIGTERMException):
                raise KeyboardInterrupt from None
            raise
        except Exception as error:
            if resume is None or isinstance(error, AtomgraphError | torch.OutOfMemoryError) or _has_begun(trainer):
                raise
            reason = " ".join(str(error).split())[:200]
            raise FormatError(
                f"the run cannot be resumed from {resume}: {type(error).__name__}: {reason}{recovery_advice(resume)}"
            ) from error
        finally:
            if handler is not None and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                # Lightning ignores Ctrl-C during its shutdown and does not restore the handler
                signal.signal(signal.SIGINT, handler)


def _has_begun(trainer: pl.Trainer) -> bool:
    """Return whether training has started, so that an error is not due to the checkpoint."""
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return any(callback.has_begun for callback in callbacks if isinstance(callback, Checkpoints))
