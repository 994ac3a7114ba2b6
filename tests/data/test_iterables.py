"""Whatever takes structures takes any iterable of them: a generator is used up only once."""

import ase.io
import pytest
from helpers import tiny_structures as tiny

from atomgraph.analysis.comparison import compare
from atomgraph.analysis.finetuning.audit import LabelledPredictions
from atomgraph.data import build_graphs, census, fingerprint, read, split, split_by_file
from atomgraph.data.checks import examine

CALLS = {
    "read": lambda structures: len(read(structures)),
    "build_graphs": lambda structures: [graph.n_edges for graph in build_graphs(structures, 4.0)],
    "census": lambda structures: str(census(structures)),
    "fingerprint": fingerprint,
    "split": lambda structures: split(structures, valid=2).train,
    "split_by_file": lambda structures: split_by_file(train=structures)[1].train,
    "examine": lambda structures: [finding.message for finding in examine(structures)],
    "compare": lambda structures: compare(tiny.potential(), structures).samples["energy"].predicted.tolist(),
    "evidence": lambda structures: len(LabelledPredictions.from_potential(tiny.potential(), structures).results),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "kind", [tuple, lambda frames: (atoms for atoms in frames), None], ids=["tuple", "generator", "iread"]
)
def test_any_iterable_gives_what_a_list_gives(name, kind, tmp_path):
    path = tmp_path / "frames.traj"
    ase.io.write(path, tiny.labelled(tiny.structures()[:6], tiny.potential(seed=3)))
    frames = ase.io.read(path, ":")
    given = ase.io.iread(path) if kind is None else kind(frames)
    assert CALLS[name](given) == CALLS[name](ase.io.read(path, ":"))
