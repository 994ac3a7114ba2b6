"""Memory is kept from one evaluation to the next where a process asks for it."""

import os
import platform
import subprocess
import sys

import pytest

from atomgraph.compiled import keep_memory

FAULTS = """
import resource, sys, torch
from atomgraph.compiled import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def arrays():
    large = [torch.ones(12_500_000) for _ in range(3)]  # 50 MB each
def of_round():
    before = faults()
    arrays()
    return faults() - before
print(min(of_round() for _ in range(6)))  # small objects in between may take an array's place in a round
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer keeps memory itself")
def test_arrays_are_allocated_again_without_page_faults():
    result = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "leave")
    }
    assert 10 * result["keep"] < result["leave"], result


def test_other_systems_keep_their_settings(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_memory()
