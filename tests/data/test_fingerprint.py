import ase
import ase.io
import numpy as np
from helpers.labelled_structures import SILICON, crystals

from atomgraph.data import fingerprint, read


def test_the_fingerprint_does_not_depend_on_names_of_frames():
    frames = crystals(3)
    named = crystals(3)
    for atoms in named:
        atoms.info["anything"] = 1
    assert fingerprint(frames) == fingerprint(named) and len(fingerprint(frames)) == 64


def test_any_change_of_structures_or_labels_changes_the_fingerprint():
    original = fingerprint(crystals(2))

    def changed(change):
        frames = crystals(2)
        results = dict(frames[1].calc.results)
        change(frames[1], results)
        frames[1].calc = type(frames[1].calc)(frames[1], **results)
        return fingerprint(frames)

    changes = [
        lambda atoms, results: atoms.positions.__setitem__((0, 0), atoms.positions[0, 0] + 1e-12),
        lambda atoms, results: atoms.set_cell(atoms.cell.array * (1 + 1e-15)),
        lambda atoms, results: atoms.set_pbc([True, True, False]),
        lambda atoms, results: atoms.symbols.__setitem__(0, "Ag"),
        lambda atoms, results: results.update(energy=results["energy"] + 1e-10),
        lambda atoms, results: results.pop("forces"),
    ]
    result = [changed(change) for change in changes]
    assert original not in result and len(set(result)) == len(changes)
    assert changed(lambda atoms, results: None) == original
    assert fingerprint(crystals(2)[::-1]) != original


def test_minus_zero_is_zero(tmp_path):
    frames = [ase.Atoms("H2", [[0.0, 0.0, 0.0], [0.7, 0.0, 0.0]])]
    before = fingerprint(frames)
    frames[0].positions[0] = -0.0
    assert np.signbit(frames[0].positions[0, 0]) and fingerprint(frames) == before


def test_silicon_is_the_published_set():
    frames = read(SILICON / "test.xyz.gz")
    assert fingerprint(frames) == fingerprint(ase.io.read(SILICON / "test.xyz.gz", ":"))
    assert np.isfinite(frames[0].positions).all()
