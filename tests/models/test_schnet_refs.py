"""SchNet and PaiNN in files of schnetpack 2.1.1: its energies, forces, stresses and features."""

import json
from pathlib import Path

import ase
import numpy as np
import pytest
import torch
from helpers.references import agree, folder

import atomgraph
from atomgraph.graph import AtomicGraph

pytestmark = pytest.mark.refs
ELEMENTS = ["H", "Li", "C", "O", "Si", "Mo"]
NAMES = [
    "schnet/a_default",
    "schnet/b_filters_shared",
    "schnet/c_offsets",
    "schnet/d_readout3_silu",
    "schnet/e_float32",
    "painn/a_default",
    "painn/b_shared",
]


def cases(path: Path):
    """Structures of a reference with the numbers of schnetpack."""
    numbers = np.load(path)
    for case in sorted({name.split("/")[0] for name in numbers.files}):
        expected = {name.split("/")[1]: numbers[name] for name in numbers.files if name.startswith(f"{case}/")}
        atoms = ase.Atoms(expected["numbers"], expected["positions"], cell=expected["cell"], pbc=expected["pbc"])
        if case == "si8_lefthanded" and "stress" in expected:  # schnetpack has the wrong sign for left-handed cells
            expected["stress"] = -expected["stress"]
        yield case, atoms, expected


@pytest.mark.parametrize("name", NAMES)
def test_file_gives_the_numbers_of_schnetpack(name):
    path = folder() / name
    hyper = json.loads(path.with_suffix(".json").read_text())["hyper"]
    potential = atomgraph.load(
        path.with_suffix(".model"), elements=None if hyper["atomref"] else ELEMENTS, units="eV/Å"
    )
    assert potential.elements == ELEMENTS
    assert str(potential.model.dtype) == f"torch.{hyper['dtype']}"
    tolerance = 1e-12 if hyper["dtype"] == "float64" else 1e-5
    e0 = potential.model.baseline.e0_of("default")
    branch, n_cases = potential.model.branches[0], 0
    for case, atoms, expected in cases(path.with_suffix(".npz")):
        n_cases += 1
        (result,) = potential.predict([atoms])
        offsets = np.array([e0[symbol] for symbol in atoms.symbols])
        ours = {"energy": result["energy"], "forces": result["forces"]}
        ours |= {"atomic_energy": result["node_energy"] - offsets}
        ours |= {"stress": result["stress"]} if "stress" in expected else {}
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        with torch.no_grad():
            *_, ours["scalar_representation"] = branch._all_features(graph, potential.model.edges(graph))
        for quantity, value in ours.items():
            agree(name, quantity, value, expected[quantity], atol=tolerance, rtol=tolerance, case=case)
    assert n_cases == 13


@pytest.mark.parametrize("name", ["painn/a_default", "painn/b_shared"])
def test_vectors_before_the_last_layer_give_those_of_schnetpack(name):
    """The last update block returns no vectors; a copy that returns them has the vectors of schnetpack."""
    path = folder() / name
    potential = atomgraph.load(path.with_suffix(".model"), elements=ELEMENTS, units="eV/Å")
    branch, channels = potential.model.branches[0], 24
    last = branch.layers[-1]
    last.returns_vectors = True
    for case, atoms, expected in cases(path.with_suffix(".npz")):
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        with torch.no_grad():
            *_, h = branch._all_features(graph, potential.model.edges(graph))
        vectors = h[:, channels:].reshape(len(atoms), channels, 3).transpose(1, 2)
        agree(name, "vectors", vectors, expected["vector_representation"], atol=1e-12, case=case)
