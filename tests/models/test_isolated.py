"""Energies of isolated atoms are subtracted with the weights of the moment."""

import ase
import pytest

from atomgraph import Potential
from atomgraph.models import GCN
from atomgraph.models.baseline import Baseline


@pytest.mark.parametrize("change", [lambda w: w.mul_(1.5), lambda w: w.neg_(), lambda w: w[:1].add_(0.5)])
def test_weights_written_through_data_change_the_energies_of_isolated_atoms(change):
    """Averages of weights are often swapped by ``parameter.data.copy_(...)``, which torch does not count."""
    potential = Potential(GCN(["Ar"], 4.0, baseline=Baseline(["Ar"], exact_isolated=True)).double()).eval()
    apart = ase.Atoms("Ar2", [(0, 0, 0), (0, 0, 3.999999)])
    assert potential.predict([apart])[0]["energy"] == pytest.approx(0.0, abs=1e-10)
    for parameter in potential.model.branches.parameters():
        change(parameter.data)
    assert potential.predict([apart])[0]["energy"] == pytest.approx(0.0, abs=1e-10)
