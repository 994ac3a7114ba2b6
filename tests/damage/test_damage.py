"""Damaged files of every kind that is read: our errors or right numbers; no hang, no flood of memory, nothing executed."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from damage.kinds import KINDS, frames

from atomgraph.data import build_graphs
from atomgraph.errors import AtomgraphError

CHILD = Path(__file__).with_name("child.py")
FEW, MANY = 25, 2000
WITH_CHECKSUM = ("native", "checkpoint", "cache")


def read_in_a_child(kinds, count):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CHILD), kinds, "0", str(count)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800 + 10 * count,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert done.stdout.count('"wrong": 0') == len(kinds.split(","))


@pytest.mark.parametrize("part", range(3))
def test_damaged_files_are_refused_or_harmless(part):
    read_in_a_child(",".join(list(KINDS)[part::3]), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_damaged_files_are_refused_or_harmless(kind):
    read_in_a_child(kind, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH_CHECKSUM)
def test_a_thousand_single_flipped_bits_are_all_noticed(kind, tmp_path):
    file, _ = KINDS[kind].make(tmp_path)
    good, random = file.read_bytes(), Random(kind)
    for _ in range(1000):
        damaged = bytearray(good)
        damaged[random.randrange(len(good))] ^= 1 << random.randrange(8)
        file.write_bytes(damaged)
        if kind == "cache":
            with pytest.warns(UserWarning, match="built again"):
                build_graphs(frames(), 3.0, cache=tmp_path)
        else:
            with pytest.raises(AtomgraphError):
                KINDS[kind].read(file)
