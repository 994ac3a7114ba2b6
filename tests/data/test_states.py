"""Charges and spins on their way from files to graphs."""

import ase.io
from ase.build import molecule

from atomgraph.data import build_graphs, read
from atomgraph.data.checks.duplicates import find_duplicates
from atomgraph.data.fingerprint import fingerprint


def water(**info):
    atoms = molecule("H2O")
    atoms.info.update(info)
    return atoms


def test_a_fingerprint_depends_on_charges_and_is_unchanged_without_them():
    plain, charged = fingerprint([water()]), fingerprint([water(charge=1)])
    assert plain != charged != fingerprint([water(charge=1, spin=2)])
    assert fingerprint([water(charge=0, total_spin=1)]) == plain


def test_graphs_in_the_cache_are_those_of_the_charge(tmp_path):
    for charge in (0, 1, 0):
        (graph,) = build_graphs([water(charge=charge)], 3.0, cache=tmp_path)
        assert graph.charge.tolist() == [charge]


def test_another_charge_makes_no_duplicate():
    assert find_duplicates([water(), water()]) and not find_duplicates([water(), water(charge=1)])


def test_charge_and_spin_are_read_under_other_keys(tmp_path):
    ase.io.write(tmp_path / "a.xyz", water(q=-1, mult=2), format="extxyz")
    (atoms,) = read([str(tmp_path / "a.xyz")], keys={"charge": "q", "spin": "mult"})
    (graph,) = build_graphs([atoms], 3.0)
    assert graph.charge.tolist() == [-1] and graph.spin.tolist() == [2]
