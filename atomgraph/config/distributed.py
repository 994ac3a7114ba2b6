"""Several processes of one run: devices and nodes as the launcher (torchrun, SLURM, MPI, jsrun) started them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from atomgraph.errors import ConfigError

SLURM, JSM = "the SLURM job", "the job step of jsrun (JSM)"
LAUNCHERS = {  # name: the variable with the number of tasks
    JSM: "JSM_NAMESPACE_SIZE",
    "mpirun (Open MPI)": "OMPI_COMM_WORLD_SIZE",
    "mpiexec (PMI: MPICH, Intel MPI)": "PMI_SIZE",
    "mpiexec (PALS)": "PALS_LOCAL_SIZE",  # on this machine; the number on all is PMI_SIZE
}
# The first four in Lightning's order; then those of MPI.
_RANKS = (
    "RANK",
    "LOCAL_RANK",
    "SLURM_PROCID",
    "JSM_NAMESPACE_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
    "PALS_RANKID",
)

ONE_PROCESS = ("least_squares", "sparse_gp", "last_layer", "gauss_newton")


def is_first_process() -> bool:
    """Whether this process prints and writes: the only one, or the one of rank 0."""
    ranks = [os.environ[name] for name in _RANKS if name in os.environ]
    return not ranks or int(ranks[0]) == 0


def apply_torchrun(content: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with ``fit.devices`` and ``fit.num_nodes`` of torchrun, if it gives neither.

    Raises:
        ConfigError: If the number of processes differs from that of torchrun, or from the tasks of SLURM, MPI or jsrun: each
            task would train alone, and only one result would be kept.
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
    """ConfigError if the number of tasks of SLURM, MPI or JSM differs from the processes of the run."""
    launcher, n_tasks = _tasks()
    if n_tasks == 1 or not isinstance(fit, Mapping):
        return
    in_slurm = launcher == SLURM
    one_task = "one task (--ntasks=1" if in_slurm else "one process (without the launcher"
    method = content.get("method")
    kind = method.get("kind") if isinstance(method, Mapping) else fit.get("kind", "gradient")
    if kind in ONE_PROCESS:
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
    if not _forms_a_group(launcher):
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, which Lightning does not join: each would train alone; start {one_task}) with "
            f"fit.devices={n_tasks}, or `torchrun --nproc-per-node={n_tasks}` in the place of the launcher, or install mpi4py"
        )
    if devices * n_nodes != n_tasks:
        nodes = os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_NNODES") or "1" if in_slurm else "1"
        n_slurm_nodes = int(nodes) if nodes.isdigit() and int(nodes) > 0 and n_tasks % int(nodes) == 0 else 1
        with_srun = " and start it with srun" if in_slurm else ""
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, but fit.devices × fit.num_nodes is {devices} × {n_nodes}: each task would "
            f"train alone; say fit.devices={n_tasks // n_slurm_nodes} fit.num_nodes={n_slurm_nodes}{with_srun}, "
            f"or start {one_task})"
        )


def _forms_a_group(launcher: str) -> bool:
    """Whether Lightning joins the tasks of the launcher; those of MPI with mpi4py, or with ranks in the environment."""
    return launcher in (SLURM, JSM) or "LOCAL_RANK" in os.environ or find_spec("mpi4py") is not None


def _tasks() -> tuple[str, int]:
    """Name of the launcher and the number of its tasks; 1 for a process without a launcher."""
    if (n_tasks := _n_tasks()) > 1:
        return SLURM, n_tasks
    for launcher, name in LAUNCHERS.items():
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) > 1:
            return launcher, int(text)
    return "", 1


def _n_tasks() -> int:
    """Number of tasks of the SLURM job of this process; 1 outside of SLURM and in a shell of an allocation."""
    step_tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    in_shell = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive") and not step_tasks
    text = step_tasks or os.environ.get("SLURM_NTASKS", "")
    return int(text) if text.isdigit() and int(text) > 0 and not in_shell else 1
