"""Methods and attributes of the last release give those of today, with a warning."""

import ase
import numpy as np
import pytest
from ase.build import bulk

from atomgraph.calculators.verlet import VerletGraph
from atomgraph.data.checks.contacts import closest_contact
from atomgraph.data.conversion import Conversion
from atomgraph.data.labels import LabelReader
from atomgraph.data.module import auto_budget
from atomgraph.formats.hints import FileHints
from atomgraph.graph import AtomicGraph
from atomgraph.old_names import OldNameWarning


def test_old_methods_give_the_results_of_the_new_ones():
    atoms = bulk("Cu")
    graph = AtomicGraph.from_ase(atoms, 3.0)
    with pytest.warns(OldNameWarning, match="AtomicGraph.loss_weight|loss_weight"):
        assert graph.weight_of("energy").equal(graph.loss_weight("energy"))
    with pytest.warns(OldNameWarning, match="read"):
        assert LabelReader().admit(atoms).info == LabelReader().read(atoms).info
    with pytest.warns(OldNameWarning, match="graph_from_ase"):
        assert VerletGraph(3.0, 0.5, graph.pos.device).of(atoms).n_atoms == 1
    with pytest.warns(OldNameWarning, match="from_units"):
        assert Conversion.of({"energy": "Hartree"}) == Conversion.from_units({"energy": "Hartree"})
    with pytest.warns(OldNameWarning, match="from_user"):
        assert FileHints.of(["H"]) == FileHints.from_user(["H"])


def test_old_arguments_give_the_results_of_the_new_ones():
    atoms = ase.Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.3]])
    with pytest.warns(OldNameWarning, match="limit"):
        assert closest_contact(atoms, reach=0.6) == closest_contact(atoms, limit=0.6)
    graphs = [AtomicGraph.from_ase(bulk("Cu"), 3.0)] * 10
    with pytest.warns(OldNameWarning, match="n_batches"):
        assert auto_budget(graphs, steps=5) == auto_budget(graphs, n_batches=5)


def test_old_attributes_of_a_contact_give_those_of_today():
    contact = closest_contact(ase.Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.3]]))
    with pytest.warns(OldNameWarning, match="relative_distance"):
        assert np.isclose(contact.share, contact.relative_distance)
