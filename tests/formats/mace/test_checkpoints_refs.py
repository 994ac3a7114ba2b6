"""Files of mace-torch give mace-torch's numbers: the references, and any further folder of checkpoints that is named."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np
import pytest
from helpers.references import folder

import atomgraph
from atomgraph.graph.structure import AtomicGraph

pytestmark = pytest.mark.refs
FURTHER = "ATOMGRAPH_MACE_CHECKPOINTS"
TIGHT = 1e-12


def _files() -> list[Path]:
    """NAME.model with NAME.npz beside it, in both folders; none where no folder is named."""
    result = []
    for place in (Path(os.environ.get("ATOMGRAPH_REFS", "")) / "mace", Path(os.environ.get(FURTHER, ""))):
        if os.environ.get("ATOMGRAPH_REFS" if place.name == "mace" else FURTHER):
            result += sorted(path for path in place.glob("*.model") if path.with_suffix(".npz").exists())
    return result


FILES = _files()


@pytest.mark.skipif(bool(FILES), reason="there are references")
def test_there_are_references() -> None:
    folder()
    pytest.fail("the folder of references holds no mace/*.model")


def _frames(path: Path) -> Iterator[tuple[str, ase.Atoms, bool]]:
    """(name, structure, is it periodic in all directions), with charge and spin where the reference has them."""
    entries = json.loads((path.parent / f"structures-{path.stem}.json").read_text())
    extra = json.loads(path.with_suffix(".json").read_text()).get("extra_info") or {}
    for name, entry in entries.items():
        info = {**extra, **(entry.get("info") or {})}
        atoms = ase.Atoms(entry["numbers"], positions=entry["positions"], cell=entry["cell"], pbc=entry["pbc"])
        for ours, theirs in (("charge", "total_charge"), ("spin", "total_spin")):
            if (value := info.get(ours, info.get(theirs))) is not None:
                atoms.info[ours] = value
        yield name, atoms, all(entry["pbc"])


def _error(result: np.ndarray, expected: np.ndarray) -> float:
    """max|Δ| / max(max|wanted|, 1 unit)."""
    assert result.size == expected.size
    assert np.isfinite(result).all()
    return float(np.abs(result.reshape(expected.shape) - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_checkpoint_gives_its_own_numbers(path: Path) -> None:
    potential = atomgraph.load(path, dtype="float64")
    errors: dict[str, float] = {}
    compared = 0
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        expected = {name: arrays[name] for name in arrays.files if name.startswith("float64/")}
    for name, atoms, periodic in _frames(path):
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        for head in potential.heads:
            potential.head = head
            result = {key: value.detach().numpy() for key, value in potential(graph).items()}
            result["node_feats"] = potential.descriptors(graph).detach().numpy()
            for key in ("energy", "node_energy", "forces", "node_feats", *(["stress"] if periodic else [])):
                errors[f"{name}/{head}/{key}"] = _error(result[key], expected[f"float64/{name}/{head}/{key}"])
                compared += 1
    assert compared >= 4
    bad = {key: error for key, error in errors.items() if error > TIGHT}
    assert not bad, f"{path.stem}: {bad}"
