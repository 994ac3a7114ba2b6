"""Several processes of one run: what whoever started them says in the environment, the configuration follows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from atomgraph.errors import ConfigError

SLURM, JSM = "the SLURM job", "the job step of jsrun (JSM)"
LAUNCHERS = {  # in words: the variable with the number of its tasks
    JSM: "JSM_NAMESPACE_SIZE",
    "mpirun (Open MPI)": "OMPI_COMM_WORLD_SIZE",
    "mpiexec (PMI: MPICH, Intel MPI)": "PMI_SIZE",
    "mpiexec (PALS)": "PALS_LOCAL_SIZE",  # on this machine; the number on all is PMI_SIZE
}
# The first four in the order in which Lightning looks; then those of MPI.
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
    """Whether this process is the one that speaks and writes: the only one, or the one that is numbered 0."""
    ranks = [os.environ[name] for name in _RANKS if name in os.environ]
    return not ranks or int(ranks[0]) == 0


def apply_torchrun(content: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with ``fit.devices`` and ``fit.num_nodes`` as torchrun started them, where it says neither.

    Raises ConfigError where it says another number of processes, also than the tasks of a SLURM job, of MPI or of jsrun: each
    would train alone, and one result would be kept.
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
    """ConfigError where SLURM, MPI or JSM started other tasks than the run has processes."""
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
        wanted = int(nodes) if nodes.isdigit() and int(nodes) > 0 and n_tasks % int(nodes) == 0 else 1
        with_srun = " and start it with srun" if in_slurm else ""
        raise ConfigError(
            f"{launcher} has {n_tasks} tasks, but fit.devices × fit.num_nodes is {devices} × {n_nodes}: each task would "
            f"train alone; say fit.devices={n_tasks // wanted} fit.num_nodes={wanted}{with_srun}, or start {one_task})"
        )


def _forms_a_group(launcher: str) -> bool:
    """Whether Lightning makes one group of the launcher's tasks: of those of MPI with mpi4py, or ranks in the environment."""
    return launcher in (SLURM, JSM) or "LOCAL_RANK" in os.environ or find_spec("mpi4py") is not None


def _tasks() -> tuple[str, int]:
    """Who started this process, in words, and how many tasks there are; 1 where it was started alone."""
    if (n_tasks := _n_tasks()) > 1:
        return SLURM, n_tasks
    for launcher, name in LAUNCHERS.items():
        words = os.environ.get(name, "")
        if words.isdigit() and int(words) > 1:
            return launcher, int(words)
    return "", 1


def _n_tasks() -> int:
    """Tasks of the SLURM job that this process is one of; 1 outside of SLURM, and in a shell of an allocation."""
    of_step = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    in_shell = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive") and not of_step
    words = of_step or os.environ.get("SLURM_NTASKS", "")
    return int(words) if words.isdigit() and int(words) > 0 and not in_shell else 1
