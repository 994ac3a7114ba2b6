"""Several processes of one run: what whoever started them says in the environment, the configuration follows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from atomgraph.errors import ConfigError

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # the order in which Lightning looks

ONE_PROCESS = ("least_squares", "sparse_gp", "last_layer", "gauss_newton")


def is_first_process() -> bool:
    """Whether this process is the one that speaks and writes: the only one, or the one that is numbered 0."""
    ranks = [os.environ[name] for name in _RANKS if name in os.environ]
    return not ranks or int(ranks[0]) == 0


def following_torchrun(content: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with ``fit.devices`` and ``fit.num_nodes`` as torchrun started them, where it says neither.

    Raises ConfigError where it says another number of processes, also than the tasks of a SLURM job: each would train alone,
    and one result would be kept.
    """
    fit = content.get("fit") or {}
    n_processes = int(os.environ.get("WORLD_SIZE", "1"))
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        _check_tasks(content, fit)
    if "TORCHELASTIC_RUN_ID" not in os.environ or n_processes == 1 or not isinstance(fit, Mapping):
        return dict(content)
    n_nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    fit = {"devices": n_processes // n_nodes, "num_nodes": n_nodes} | dict(fit)
    devices = len(fit["devices"]) if isinstance(fit["devices"], list) else fit["devices"]
    if isinstance(devices, int) and isinstance(fit["num_nodes"], int) and devices * fit["num_nodes"] != n_processes:
        raise ConfigError(
            f"torchrun started {n_processes} processes, but fit.devices × fit.num_nodes is {devices} × {fit['num_nodes']}; "
            f"leave both out, or say fit.devices={n_processes // n_nodes} fit.num_nodes={n_nodes}"
        )
    return {**content, "fit": fit}


def _check_tasks(content: Mapping[str, Any], fit: Any) -> None:
    """ConfigError where a SLURM job has other tasks than the run has processes."""
    n_tasks = _n_tasks()
    if n_tasks == 1 or not isinstance(fit, Mapping):
        return
    method = content.get("method")
    kind = method.get("kind") if isinstance(method, Mapping) else fit.get("kind", "gradient")
    if kind in ONE_PROCESS:
        raise ConfigError(
            f"the SLURM job has {n_tasks} tasks, but a run with kind: {kind} is one process; start one task (--ntasks=1, with "
            "--cpus-per-task for its threads)"
        )
    devices, n_nodes = fit.get("devices", 1), fit.get("num_nodes", 1)
    devices = len(devices) if isinstance(devices, list) else devices
    if isinstance(devices, str) and devices.isdigit():
        devices = int(devices)
    if isinstance(devices, int) and isinstance(n_nodes, int) and devices * n_nodes != n_tasks:
        nodes = os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_NNODES") or "1"
        wanted = int(nodes) if nodes.isdigit() and int(nodes) > 0 and n_tasks % int(nodes) == 0 else 1
        raise ConfigError(
            f"the SLURM job has {n_tasks} tasks, but fit.devices × fit.num_nodes is {devices} × {n_nodes}: each task would "
            f"train alone; say fit.devices={n_tasks // wanted} fit.num_nodes={wanted} and start it with srun, or start "
            "one task (--ntasks=1)"
        )


def _n_tasks() -> int:
    """Tasks of the SLURM job that this process is one of; 1 outside of SLURM, and in a shell of an allocation."""
    of_step = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    in_shell = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive") and not of_step
    words = of_step or os.environ.get("SLURM_NTASKS", "")
    return int(words) if words.isdigit() and int(words) > 0 and not in_shell else 1
