"""What the numbers of a speed measurement belong to: processor, threads, accelerator, versions."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def hardware(device: str | torch.device = "cpu") -> str:
    """One line such as ``AMD EPYC 7763, 2 threads, torch 2.9.1`` or ``NVIDIA H100, CUDA 12.8, torch 2.9.1``."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, torch {torch.__version__}"
    threads = torch.get_num_threads()
    where = processor() if device.type == "cpu" else f"{device.type} on {processor()}"
    return f"{where}, {threads} thread{'s' * (threads != 1)}, torch {torch.__version__}"


def processor() -> str:
    """The processor's name as the system gives it."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model", "Hardware"} and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
