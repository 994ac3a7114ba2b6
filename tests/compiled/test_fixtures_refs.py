"""Files of mace-torch, compiled: the model's numbers in float64 to 1e-8 of the forces' root mean square."""

import json

import ase
import pytest
from helpers.references import agree, folder

import atomgraph
from atomgraph.graph.structure import AtomicGraph

pytestmark = pytest.mark.refs


@pytest.mark.parametrize("name", ["mp0-medium", "mp0b3-medium", "mh1"])
def test_compiled_checkpoints_agree_with_the_model(name):
    place = folder() / "mace"
    potential = atomgraph.load(place / f"{name}.model", dtype="float64")
    potential.head = potential.heads[0]
    compiled = atomgraph.compile(potential)
    for entry in json.loads((place / f"structures-{name}.json").read_text()).values():
        atoms = ase.Atoms(entry["numbers"], positions=entry["positions"], cell=entry["cell"], pbc=entry["pbc"])
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        expected, result = potential(graph), compiled(graph)
        scale = max(float(expected["forces"].square().mean().sqrt()), 1e-2)  # eV/Å; two atoms may pull at nothing
        agree(f"mace/{name}.model compiled", "forces", result["forces"] / scale, expected["forces"] / scale, atol=1e-8)
        for quantity in ("energy", "node_energy", *(["stress"] if expected["stress"].isfinite().all() else [])):
            agree(f"mace/{name}.model compiled", quantity, result[quantity], expected[quantity], atol=1e-10)
