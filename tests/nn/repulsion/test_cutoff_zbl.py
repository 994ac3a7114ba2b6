"""ZBL over the whole cutoff: LAMMPS's constants, the envelope of pairs, and gradients."""

import math

import ase
import pytest
import torch

from atomgraph import Potential
from atomgraph.errors import WiringError
from atomgraph.graph import AtomicGraph
from atomgraph.models import Baseline, NequIP
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL

ELEMENTS = ["O", "Si"]


def energies(repulsion, distance, dtype=torch.float64):
    graph = AtomicGraph.from_ase(ase.Atoms("OSi", [[0, 0, 0], [0, 0, distance]]), 3.0)
    return repulsion(graph, Edges.of(graph, ElementTable(ELEMENTS), dtype))


def formula(r, cutoff, p):
    """Energy of the pair, eV, of LAMMPS's constants and the polynomial envelope."""
    t, u = r * (8**0.23 + 14**0.23) / 0.46850, r / cutoff
    terms = ((0.02817, 0.20162), (0.28022, 0.40290), (0.50986, 0.94229), (0.18175, 3.19980))
    envelope = 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)
    return 14.399645 * 8 * 14 / r * sum(c * math.exp(-d * t) for c, d in terms) * envelope


def test_energy_is_the_formula_and_is_shared_by_both_atoms():
    energy = energies(CutoffZBL(ELEMENTS, 3.0, p=6), 1.1)
    assert energy.dtype == torch.float64 and float(energy[0]) == pytest.approx(float(energy[1]))
    assert float(energy.sum()) == pytest.approx(formula(1.1, 3.0, 6), rel=1e-12)


def test_each_direction_of_a_pair_has_the_envelope_of_its_centre():
    pairs = PairCutoffs(ELEMENTS, 3.0, {"O": {"Si": 2.0}})
    energy = energies(CutoffZBL(ELEMENTS, 3.0, p=5, pair_cutoffs=pairs), 1.4)
    expected = [0.5 * formula(1.4, cutoff, 5) for cutoff in (2.0, 3.0)]
    assert energy.tolist() == pytest.approx(expected, rel=1e-12)
    assert energies(CutoffZBL(ELEMENTS, 3.0, pair_cutoffs=pairs), 2.1)[0] == 0


def test_energy_of_a_float32_model_is_float64():
    repulsion = CutoffZBL(ELEMENTS, 3.0).float()
    assert float(energies(repulsion, 1.1, torch.float32).sum()) == pytest.approx(formula(1.1, 3.0, 6), rel=1e-12)


def test_forces_are_the_gradient():
    small = {"channels": 2, "n_layers": 1, "l_max": 0, "radial": {"n_radial": 2}, "layer": {"radial_hidden": [2]}}
    model = NequIP(ELEMENTS, 3.0, **small, baseline=Baseline(ELEMENTS, repulsion=CutoffZBL(ELEMENTS, 3.0))).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    h = 1e-4
    forward, back, here = Potential(model).predict(
        [ase.Atoms("OSi", [[0, 0, 0], [0, 0, r]]) for r in (1 + h, 1 - h, 1)]
    )
    assert here["forces"][1, 2] == pytest.approx(-(forward["energy"] - back["energy"]) / (2 * h), rel=1e-6)


def test_invalid_arguments_are_named():
    with pytest.raises(WiringError, match="p at least 2"):
        CutoffZBL(ELEMENTS, 3.0, p=1)
    with pytest.raises(WiringError, match="cutoff must be positive"):
        CutoffZBL(ELEMENTS, 0.0)
    with pytest.raises(WiringError, match="largest cutoff of pairs"):
        CutoffZBL(ELEMENTS, 3.0, pair_cutoffs=PairCutoffs(ELEMENTS, 4.0, {}))
