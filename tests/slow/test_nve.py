"""Silicon keeps its energy: 64 atoms started at 600 K, velocity Verlet, 1 fs, 5 ps, float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from helpers.morse import morse_potential

from atomgraph import load
from atomgraph.analysis.dynamics import nve
from atomgraph.models import BehlerParrinello
from atomgraph.potential import Potential
from atomgraph.testing.measures import construct

pytestmark = pytest.mark.slow


def silicon():
    return bulk("Si", "diamond", 5.43, cubic=True).repeat(2)


def test_a_trained_behler_parrinello_potential_keeps_the_energy_of_silicon():
    """The model that ATOMGRAPH_SILICON_MODEL names: a file or a run folder, as `atomgraph train` leaves it."""
    path = os.environ.get("ATOMGRAPH_SILICON_MODEL")
    if not path or not Path(path).exists():
        pytest.skip("ATOMGRAPH_SILICON_MODEL names no trained potential of silicon")
    record = nve(load(path, dtype=torch.float64), silicon(), kelvin=600.0, timestep=1.0, steps=5000)
    assert np.mean(record.temperature[2500:]) == pytest.approx(300.0, rel=0.3)  # half of it went into the springs
    assert abs(record.drift) <= 0.1, f"{record.drift} ± {record.fluctuation}"


def test_copper_of_morse_pairs_keeps_its_energy():
    atoms = bulk("Cu", "fcc", 3.63, cubic=True).repeat(2)
    record = nve(morse_potential(), atoms, kelvin=600.0, timestep=1.0, steps=5000)
    assert abs(record.drift) <= 0.01, f"{record.drift} ± {record.fluctuation}"


def test_what_is_lost_falls_with_the_square_of_the_time_step():
    """Untrained, so it soon gets hot; still, forces are gradients, and then velocity Verlet's error is of second order."""
    potential = Potential(construct(lambda: BehlerParrinello(["Si"], cutoff=4.5, readout_hidden=(8,)))).double().eval()
    coarse, fine = (nve(potential, silicon(), kelvin=30.0, timestep=dt, steps=int(300 / dt)) for dt in (1.0, 0.5))
    assert coarse.fluctuation / fine.fluctuation == pytest.approx(4.0, rel=0.1)
