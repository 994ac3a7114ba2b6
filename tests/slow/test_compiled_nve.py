"""Silicon keeps its energy on compiled kernels: 10 ps of velocity Verlet at 0.5 fs in mixed precision."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from helpers.compilers import needs_compiler

import atomgraph
from atomgraph.analysis.dynamics import EnergyRecord, nve
from atomgraph.compiled import CompiledPotential

pytestmark = [pytest.mark.slow, needs_compiler]
DATA = Path(__file__).parents[2] / "examples/data/mlearn_Si"
DRIFT, LOSS = (
    0.005,
    0.01,
)  # meV/atom/ps; meV/atom: three times what the model loses, a quarter of what the fault below costs


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    """A small MACE that holds a crystal together."""
    config = {
        "seed": 1,
        "data": {"train": str(DATA / "train.xyz.gz"), "valid": 0.1, "edge_budget": 2000},
        "model": {"kind": "MACE", "elements": "auto", "cutoff": 4.0, "hidden_irreps": "8x0e", "l_max": 1, "order": 2},
        "baseline": {"e0": "least_squares", "scale": "force_rms"},
        "fit": {"kind": "gradient", "max_epochs": 6, "accelerator": "cpu"},
        "output": {"folder": str(tmp_path_factory.mktemp("nve") / "run"), "report": False},
    }
    config["model"] |= {"radial": {"n_radial": 6}, "layer": {"radial_hidden": [16]}}
    result, _ = atomgraph.train(config, quiet=True)
    return result.double().eval()


def dynamics(first, picoseconds) -> EnergyRecord:
    silicon = bulk("Si", "diamond", 5.43, cubic=True).repeat(2)
    return nve(first, silicon, kelvin=600.0, timestep=0.5, steps=round(2000 * picoseconds))


def lost(record) -> float:
    """From the first step to the mean of the second half, meV/atom."""
    total = 1000.0 * np.array(record.total) / record.n_atoms
    return abs(total[len(total) // 2 :].mean() - total[0])


def keeps_energy(record) -> bool:
    return abs(record.drift) <= DRIFT and lost(record) <= LOSS


def test_the_model_in_float64_sets_the_bar(potential):
    record = dynamics(potential, 1.0)
    assert keeps_energy(record), (record.drift, lost(record))


@pytest.mark.parametrize(("dtype", "picoseconds"), [("float64", 2.0), ("mixed", 10.0)])
def test_kernels_keep_the_energy(potential, dtype, picoseconds):
    record = dynamics(atomgraph.compile(potential, dtype=dtype), picoseconds)
    assert keeps_energy(record), (record.drift, lost(record))


class Stronger(CompiledPotential):
    """Forces a thousandth too large: a fault that the bar has to notice."""

    def forward(self, graph, **options):
        result = super().forward(graph, **options)
        return result | {"forces": 1.001 * result["forces"]}


def test_forces_that_are_a_thousandth_too_large_do_not(potential):
    wrong = Stronger(potential, atomgraph.compile(potential, dtype="mixed")._fused)
    assert not keeps_energy(dynamics(wrong, 2.0))
