"""Runs with several processes: devices and nodes of torchrun, and the number of tasks of SLURM, MPI or jsrun."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from atomgraph.errors import ConfigError

SLURM, JSM = "the SLURM job", "the job step of jsrun (JSM)"
LAUNCHERS = {  # name of the launcher: environment variable with the number of tasks
    JSM: "JSM_NAMESPACE_SIZE",
    "mpirun (Open MPI)": "OMPI_COMM_WORLD_SIZE",
    "mpiexec (PMI: MPICH, Intel MPI)": "PMI_SIZE",
    "mpiexec (PALS)": "PALS_LOCAL_SIZE",  # tasks on this machine; PALS gives the number on all machines in PMI_SIZE
}
# Environment variables with the rank of the process. The first four are in Lightning's order; those of MPI follow.
_RANK_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "SLURM_PROCID",
    "JSM_NAMESPACE_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
    "PALS_RANKID",
)

ONE_PROCESS_KINDS = ("least_squares", "sparse_gp", "last_layer", "gauss_newton")
"""Kinds of fits and methods that run in one process only."""


def is_first_process() -> bool:
    """Whether this process prints and writes files: the only process, or the process of rank 0."""
    ranks = [os.environ[name] for name in _RANK_VARIABLES if name in os.environ]
    return not ranks or int(ranks[0]) == 0


def apply_torchrun(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with ``fit.devices`` and ``fit.num_nodes`` of torchrun, if the configuration has no values.

    Args:
        content: The configuration, as plain values.

    Raises:
        ConfigError: If the number of processes differs from that of torchrun, or from the tasks of SLURM, MPI or jsrun. Each
            task would then train alone, and only one result would be kept.
    """
    fit = content.get("fit") or {}
    n_processes = int(os.environ.get("WORLD_SIZE", "1"))
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        _check_number_of_tasks(content, fit)
    if "TORCHELASTIC_RUN_ID" not in os.environ or n_processes == 1 or not isinstance(fit, Mapping):
        return dict(content)
    n_nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    fit = {"devices": n_processes // n_nodes, "num_nodes": n_nodes} | dict(fit)
    devices = len(fit["devices"]) if isinstance(fit["devices"], list) else fit["devices"]
    if isinstance(devices, int) and isinstance(fit["num_nodes"], int) and devices * fit["num_nodes"] != n_processes:
        raise ConfigError(
            f"torchrun started {n_processes} processes, but fit.devices × fit.num_nodes is {devices} × {fit['num_nodes']}; "
            f"leave both out, or set fit.devices={n_processes // n_nodes} fit.num_nodes={n_nodes}"
        )
    return {**content, "fit": fit}


def _check_number_of_tasks(content: Mapping[str, Any], fit: Any) -> None:
    """Raise ConfigError if the number of tasks of SLURM, MPI or jsrun differs from the number of processes of the run."""
    launcher, n_tasks = _launcher_and_tasks()
    if n_tasks == 1 or not isinstance(fit, Mapping):
        return
    in_slurm = launcher == SLURM
    # The closing bracket of this advice is in the messages, because each message adds to the text in brackets.
    one_task = "one task (--ntasks=1" if in_slurm else "one process (without the launcher"
    method = content.get("method")
    kind = method.get("kind") if isinstance(method, Mapping) else fit.get("kind", "gradient")
    if kind in ONE_PROCESS_KINDS:
        threads = ", with --cpus-per-task for its threads" if in_slurm else ""
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, but a run with kind: {kind} is one process; start {one_task}{threads})"
        )
    devices, n_nodes = fit.get("devices", 1), fit.get("num_nodes", 1)
    devices = len(devices) if isinstance(devices, list) else devices
    if isinstance(devices, str) and devices.isdigit():
        devices = int(devices)
    if not (isinstance(devices, int) and isinstance(n_nodes, int)):
        return
    if not _lightning_connects_tasks(launcher):
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, which Lightning does not connect: each task would train alone; start {one_task}) "
            f"with fit.devices={n_tasks}, or `torchrun --nproc-per-node={n_tasks}` instead of the launcher, or install mpi4py"
        )
    if devices * n_nodes != n_tasks:
        node_text = os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_NNODES") or "1" if in_slurm else "1"
        n_slurm_nodes = int(node_text) if _is_positive(node_text) and n_tasks % int(node_text) == 0 else 1
        srun_hint = " and start the run with srun" if in_slurm else ""
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, but fit.devices × fit.num_nodes is {devices} × {n_nodes}: each task would "
            f"train alone; set fit.devices={n_tasks // n_slurm_nodes} fit.num_nodes={n_slurm_nodes}{srun_hint}, "
            f"or start {one_task})"
        )


def _lightning_connects_tasks(launcher: str) -> bool:
    """Whether Lightning connects the tasks of the launcher; for MPI it needs mpi4py or ranks in the environment."""
    return launcher in (SLURM, JSM) or "LOCAL_RANK" in os.environ or find_spec("mpi4py") is not None


def _launcher_and_tasks() -> tuple[str, int]:
    """Return the name of the launcher and the number of its tasks; an empty name and 1 without a launcher."""
    if (n_tasks := _n_slurm_tasks()) > 1:
        return SLURM, n_tasks
    for launcher, variable in LAUNCHERS.items():
        text = os.environ.get(variable, "")
        if text.isdigit() and int(text) > 1:
            return launcher, int(text)
    return "", 1


def _n_slurm_tasks() -> int:
    """Return the number of tasks of the SLURM job; 1 outside of SLURM and in the shell of an interactive allocation."""
    step_tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    in_shell = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive") and not step_tasks
    text = step_tasks or os.environ.get("SLURM_NTASKS", "")
    return int(text) if _is_positive(text) and not in_shell else 1


def _is_positive(text: str) -> bool:
    """Whether a text is a whole number above 0."""
    return text.isdigit() and int(text) > 0
