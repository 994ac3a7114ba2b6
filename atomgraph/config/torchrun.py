"""Several processes of one run: what whoever started them says in the environment, the configuration follows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from atomgraph.errors import ConfigError

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # the order in which Lightning looks


def is_first_process() -> bool:
    """Whether this process is the one that speaks and writes: the only one, or the one that is numbered 0."""
    ranks = [os.environ[name] for name in _RANKS if name in os.environ]
    return not ranks or int(ranks[0]) == 0


def following_torchrun(content: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with ``fit.devices`` and ``fit.num_nodes`` as torchrun started them, where it says neither.

    Raises ConfigError where it says another number of processes: each would train alone, and one result would be kept.
    """
    fit = content.get("fit") or {}
    n_processes = int(os.environ.get("WORLD_SIZE", "1"))
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
