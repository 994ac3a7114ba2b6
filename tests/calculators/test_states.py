"""A charge that changes between two calls gives other results, though no atom has moved."""

import pytest
from ase.build import molecule
from helpers.mace_files import small

from atomgraph import Calculator
from atomgraph.potential import Potential

STATES = {"total_charge": {"type": "continuous", "emb_dim": 3}, "total_spin": {"type": "continuous", "emb_dim": 3}}


@pytest.fixture
def potential():
    return Potential(small(global_state=STATES)).eval()


@pytest.mark.parametrize("key, value", [("charge", 1), ("spin", 3)])
def test_the_calculator_sees_a_change_of_charge_or_spin(potential, key, value):
    water = molecule("H2O")
    water.calc = Calculator(potential)
    neutral = water.get_potential_energy()
    water.info[key] = value
    changed = water.get_potential_energy()
    assert changed != pytest.approx(neutral, abs=1e-6)
    assert changed == pytest.approx(potential.predict([water])[0]["energy"], abs=1e-12)
    del water.info[key]
    assert water.get_potential_energy() == pytest.approx(neutral, abs=1e-12)
