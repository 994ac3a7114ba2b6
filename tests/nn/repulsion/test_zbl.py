"""ZBL: its formula written out, and what every repulsion must do."""

import json
import math
from itertools import pairwise

import ase
import numpy as np
import pytest
import torch
from ase.data import covalent_radii

from atomgraph.errors import WiringError
from atomgraph.graph import AtomicGraph
from atomgraph.models import Baseline
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.nn.repulsion.zbl import ZBL

ELEMENTS = ["O", "Si", "H"]


def energies(zbl, atoms, dtype=torch.float64, pos=None, cutoff=4.0):
    graph = AtomicGraph.from_ase(atoms, cutoff)
    if pos is not None:
        graph.pos = pos
    return zbl(graph, Edges.of(graph, ElementTable(zbl.elements), dtype))


def pair(r, first="Si", second="O"):
    return ase.Atoms([first, second], positions=[[0, 0, 0], [0.0, r * 0.6, r * 0.8]])


def explicit_sum(z_i, z_j, r, p=6):
    """eV of one pair, as the formula reads, in plain Python."""
    a = 0.4543 * 0.529 / (z_i**0.3 + z_j**0.3)
    phi = sum(
        c * math.exp(-d * r / a)
        for c, d in zip((0.1818, 0.5099, 0.2802, 0.02817), (3.2, 0.9423, 0.4028, 0.2016), strict=True)
    )
    u = r / (covalent_radii[z_i] + covalent_radii[z_j])
    fade = 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)
    return 14.3996 * z_i * z_j / r * phi * fade if u < 1 else 0.0


def test_equals_its_formula_half_of_a_pair_to_each_atom():
    for r in (0.3, 0.8, 1.3, 1.7, 1.76, 1.78, 3.0):
        expected = explicit_sum(14, 8, r)
        assert energies(ZBL(ELEMENTS), pair(r)).tolist() == pytest.approx(
            [expected / 2, expected / 2], rel=1e-12, abs=1e-15
        )


def test_sums_over_all_pairs_and_images():
    atoms = ase.Atoms(
        "SiOH", positions=[[0, 0, 0], [1.5, 0, 0], [1.9, 0.8, 0]], cell=[3.0, 2.1, 9.0], pbc=[True, True, False]
    )
    total = 0.0
    for i in range(3):
        for j in range(3):
            for n, m in np.ndindex(5, 5):
                d = atoms.positions[j] + np.array([(n - 2) * 3.0, (m - 2) * 2.1, 0.0]) - atoms.positions[i]
                if np.linalg.norm(d) > 1e-9:
                    total += 0.5 * explicit_sum(atoms.numbers[i], atoms.numbers[j], float(np.linalg.norm(d)))
    assert energies(ZBL(ELEMENTS), atoms).sum().item() == pytest.approx(total, rel=1e-12)


def test_repulsion_increases_at_shorter_distances():
    value = [energies(ZBL(ELEMENTS), pair(r)).sum().item() for r in np.linspace(0.02, 1.76, 60)]
    assert all(near > far >= 0 for near, far in pairwise(value))


@pytest.mark.parametrize("symbols", [("Si", "O"), ("O", "O"), ("H", "Si")])
def test_zero_beyond_the_sum_of_the_radii(symbols):
    reach = sum(covalent_radii[ase.Atom(symbol).number] for symbol in symbols)
    assert energies(ZBL(ELEMENTS), pair(reach - 0.01, *symbols)).min() > 0
    assert (energies(ZBL(ELEMENTS), pair(reach + 1e-9, *symbols)) == 0).all()


def test_cutoff_is_the_largest_sum_of_radii():
    assert ZBL(ELEMENTS).cutoff == pytest.approx(2 * covalent_radii[14])
    assert Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS)).cutoff == ZBL(ELEMENTS).cutoff


def test_first_and_second_derivatives():
    atoms = ase.Atoms("SiOH", positions=[[0, 0, 0], [1.4, 0.2, 0], [1.5, 0.9, 0.1]])
    pos = torch.tensor(atoms.positions, requires_grad=True)
    assert torch.autograd.gradcheck(lambda pos: energies(ZBL(ELEMENTS), atoms, pos=pos), pos)
    assert torch.autograd.gradgradcheck(lambda pos: energies(ZBL(ELEMENTS), atoms, pos=pos).sum(), pos)


def test_forces_push_apart_along_the_bond_and_sum_to_zero():
    pos = torch.tensor(pair(1.0).positions, requires_grad=True)
    (gradient,) = torch.autograd.grad(energies(ZBL(ELEMENTS), pair(1.0), pos=pos).sum(), pos)
    torch.testing.assert_close(gradient[0], -gradient[1])
    assert (-gradient[1] @ torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)).item() == pytest.approx(
        gradient[1].norm().item()
    )


def test_finite_at_a_tiny_distance():
    pos = torch.tensor(pair(2e-3).positions, requires_grad=True)
    energy = energies(ZBL(ELEMENTS), pair(2e-3), pos=pos)
    (gradient,) = torch.autograd.grad(energy.sum(), pos)
    assert energy.isfinite().all() and gradient.isfinite().all()
    assert energy.sum().item() == pytest.approx(14.3996 * 14 * 8 / 2e-3, rel=0.05)  # bare nuclei


def test_an_isolated_atom_has_no_energy():
    assert energies(ZBL(ELEMENTS), ase.Atoms("O")).tolist() == [0.0]


def test_constants_stay_double_in_a_model_of_single_precision():
    zbl = ZBL(ELEMENTS).to(torch.float32)
    assert zbl.radius.dtype == zbl.number.dtype == torch.float64
    assert torch.equal(zbl.radius, ZBL(ELEMENTS).radius)
    result = energies(zbl, pair(1.2), dtype=torch.float32)
    assert result.dtype == torch.float64
    torch.testing.assert_close(result, energies(ZBL(ELEMENTS), pair(1.2)), rtol=1e-5, atol=0)


def test_written_to_json_and_built_again_with_its_radii():
    zbl = ZBL(["O", "Si"], p=5, radii=[0.7, 1.2])
    again = build(json.loads(json.dumps(to_spec(zbl))))
    assert torch.equal(energies(again, pair(1.2)), energies(zbl, pair(1.2)))
    assert not torch.equal(energies(again, pair(1.2)), energies(ZBL(["O", "Si"]), pair(1.2)))


def test_elements_without_a_radius_raise():
    with pytest.raises(WiringError, match=r"no covalent radius is tabulated for Bk; give radii="):
        ZBL(["H", "Bk"])
    assert ZBL(["H", "Bk"], radii=[0.31, 1.7]).cutoff == pytest.approx(3.4)
    with pytest.raises(WiringError, match="a positive radius is needed for each"):
        ZBL(["H", "O"], radii=[0.31])
    with pytest.raises(WiringError, match="p of at least 2"):
        ZBL(["H"], p=1)
