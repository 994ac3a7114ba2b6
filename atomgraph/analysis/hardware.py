"""Description of the hardware and versions of a speed measurement."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from atomgraph.old_names import old_names_of


def hardware(device: str | torch.device = "cpu") -> str:
    """Return one line such as ``AMD EPYC 7763, 2 threads, torch 2.9.1`` or ``NVIDIA H100, CUDA 12.8, torch 2.9.1``."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, torch {torch.__version__}"
    threads = torch.get_num_threads()
    name = processor_name() if device.type == "cpu" else f"{device.type} on {processor_name()}"
    return f"{name}, {threads} thread{'s' * (threads != 1)}, torch {torch.__version__}"


def processor_name() -> str:
    """Return the name of the processor, from the operating system."""
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model", "Hardware"} and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


__getattr__ = old_names_of(__name__)
