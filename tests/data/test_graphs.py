import json
from random import Random

import ase.db
import numpy as np
import pytest
import torch
from ase.build import molecule
from helpers.labelled_structures import SILICON, crystals, labelled, mixed
from safetensors.torch import load_file, save_file

from atomgraph import checksums
from atomgraph.data import build_graphs, collate, read
from atomgraph.data.graph_cache import cache_file
from atomgraph.data.label_weights import require_weight
from atomgraph.errors import DataError, GraphError
from atomgraph.graph import AtomicGraph


def same(first, second):
    assert sorted(first.keys()) == sorted(second.keys())
    for name in first.keys():  # noqa: SIM118
        assert torch.equal(first[name], second[name]) and first[name].dtype == second[name].dtype, name


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_cached_graphs_are_the_built_ones_bit_by_bit(tmp_path):
    frames = [*read(SILICON / "test.xyz.gz"), *mixed()]
    built, kept, cached = (build_graphs(frames, 4.5, cache=folder) for folder in (None, tmp_path, tmp_path))
    for atoms, first, two, three in zip(frames, built, kept, cached, strict=True):
        same(first, two)
        same(first, three)
        same(first, AtomicGraph.from_ase(atoms, 4.5))


def test_the_cache_is_read_and_not_built_again(tmp_path, monkeypatch):
    frames = crystals(3)
    build_graphs(frames, 4.0, cache=tmp_path)
    monkeypatch.setattr(AtomicGraph, "from_ase", None)
    assert len(build_graphs(frames, 4.0, cache=tmp_path)) == 3


def test_other_frames_labels_or_cutoffs_are_other_caches(tmp_path):
    frames = crystals(3)
    for chosen, cutoff in ((frames, 4.0), (frames, 4.0 + 1e-12), (frames[:2], 4.0), (frames[::-1], 4.0)):
        build_graphs(chosen, cutoff, cache=tmp_path)
    relabelled = [labelled(atoms, energy=1.0) for atoms in frames]
    assert float(build_graphs(relabelled, 4.0, cache=tmp_path)[0].energy) == 1.0
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("spoil", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: bytes(len(raw))])
def test_a_corrupt_cache_is_built_again(tmp_path, spoil):
    frames = crystals(3)
    built = build_graphs(frames, 4.0, cache=tmp_path)
    path = only_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    with pytest.warns(UserWarning, match="cannot be read .* built again"):
        again = build_graphs(frames, 4.0, cache=tmp_path)
    for first, second in zip(built, again, strict=True):
        same(first, second)
    assert only_file(tmp_path).read_bytes() == whole


def test_a_flipped_bit_anywhere_in_a_cache_is_noticed_and_the_graphs_are_built_again(tmp_path):
    frames = crystals(2)
    built = build_graphs(frames, 3.0, cache=tmp_path)
    path = only_file(tmp_path)
    whole, random = path.read_bytes(), Random(0)
    for position in [*range(10), *(random.randrange(len(whole)) for _ in range(60)), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="built again"):
            again = build_graphs(frames, 3.0, cache=tmp_path)
        same(built[1], again[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table | {"n_atoms": table["n_atoms"] * 2},
        lambda table: table | {"pos": table["pos"].float()},
        lambda table: table | {"edge_index": table["edge_index"] + 1000},
        lambda table: table | {"n_edges": -table["n_edges"]},
        lambda table: {name: rows for name, rows in table.items() if name != "forces"},
        lambda table: {},
    ],
)
def test_a_cache_that_is_well_formed_and_wrong_is_built_again(tmp_path, change):
    frames = crystals(2)
    build_graphs(frames, 3.0, cache=tmp_path)
    path = only_file(tmp_path)
    header = {"format": "graphs", "version": 4, "sha256": checksums.BLANK}
    save_file(change(load_file(path)), path, metadata={"atomgraph": json.dumps(header)})
    checksums.seal(path)
    with pytest.warns(UserWarning, match="built again"):
        assert len(build_graphs(frames, 3.0, cache=tmp_path)) == 2


def test_a_cache_of_another_layout_is_built_again(tmp_path):
    frames = crystals(2)
    save_file({"pos": torch.zeros(1)}, cache_file(frames, 4.0, tmp_path))
    with pytest.warns(UserWarning, match="built again"):
        assert len(build_graphs(frames, 4.0, cache=tmp_path)) == 2


def test_without_a_writable_folder_graphs_are_built(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="continues without a cache") as caught:
        graphs = build_graphs(crystals(2), 4.0, cache=tmp_path / "file" / "cache")
    assert len(graphs) == 2 and len(caught) == 1


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("atomgraph.data.graph_cache.save_file", full)
    with pytest.warns(UserWarning, match="No space left"):
        build_graphs(crystals(2), 4.0, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_follow_configuration_types():
    graphs = build_graphs(mixed(), 4.0, weights={"atom": 0.0, "crystal": 2.5})
    assert [float(graph.weight) for graph in graphs] == [1.0] * 5 + [0.0] * 2 + [2.5] * 2
    with pytest.raises(DataError, match="'cristal', which no frame has; did you mean crystal"):
        build_graphs(mixed(), 4.0, weights={"cristal": 2.0})
    with pytest.raises(DataError, match="should be zero or positive"):
        build_graphs(mixed(), 4.0, weights={"atom": -1.0})


def test_weights_are_no_part_of_the_cache(tmp_path):
    for weight in (1.0, 3.0):
        graphs = build_graphs(mixed(), 4.0, weights={"atom": weight}, cache=tmp_path)
        assert float(graphs[5].weight) == weight
    assert only_file(tmp_path)


def test_heads_are_numbered_by_name():
    frames = crystals(3)
    for atoms, head in zip(frames, ("pbe", "scan", "pbe"), strict=True):
        atoms.info["head"] = head
    assert [int(g.head) for g in build_graphs(frames, 4.0, heads=["scan", "pbe"])] == [1, 0, 1]
    assert [int(g.head) for g in build_graphs(crystals(2), 4.0, heads=["default"])] == [0, 0]
    assert [int(g.head) for g in build_graphs(crystals(2), 4.0)] == [-1, -1]
    with pytest.raises(DataError, match="unknown head 'scan'"):
        build_graphs(frames, 4.0, heads=["pbe", "scam"])
    with pytest.raises(DataError, match="has no head: set info"):
        build_graphs(crystals(2), 4.0, heads=["pbe", "scan"])


def test_a_stress_without_a_volume_is_no_label():
    water = labelled(molecule("H2O"), stress=np.ones(6))
    assert not build_graphs([water], 4.0)[0].stress_mask.any()
    assert build_graphs(crystals(1), 4.0)[0].stress_mask.all()


def test_structures_that_cannot_become_graphs_are_named():
    frames = read(SILICON / "test.xyz.gz@:3")
    frames[1].positions[3] = frames[1].positions[4]
    with pytest.raises(GraphError, match=r"test.xyz.gz#1: .*same position"):
        build_graphs(frames, 4.0)
    with pytest.raises(GraphError, match="cutoff must be positive"):
        build_graphs(frames, -1.0)


def test_no_frames_are_no_graphs(tmp_path):
    assert build_graphs([], 4.0) == []
    assert build_graphs([], 4.0, cache=tmp_path) == []


def test_weights_in_the_files_multiply_those_by_configuration_type():
    frames = crystals(3)
    frames[0].info.update(config_type="hot", config_weight=2.0, energy_weight=0.5)
    frames[1].info.update(config_weight=np.float64(0.0), force_weight="3")
    keys = {"all": "config_weight", "energy": "energy_weight", "forces": "force_weight"}
    graphs = build_graphs(frames, 4.0, weights={"hot": 10.0}, weight_keys=keys)
    assert [float(graph.weight[0]) for graph in graphs] == [20.0, 0.0, 1.0]
    assert graphs[0].label_weights.tolist() == [[0.5, 1, 1]] and graphs[1].label_weights.tolist() == [[1, 3, 1]]
    batch = collate(graphs)
    assert batch.loss_weight("energy").tolist() == [10.0, 0.0, 1.0] and batch.loss_weight("stress").tolist() == [
        20.0,
        0.0,
        1.0,
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"all": "weigth"}, "no frame has the key 'weigth'.*keys of the frames are .*weight"),
        ({"energies": "weight"}, "unknown entry 'energies' in weight_keys; did you mean energy"),
        ({"all": "weight"}, "frame 1: weight should be a number of at least zero, but is"),
    ],
)
@pytest.mark.parametrize("bad", [-1.0, "heavy", np.nan, [1.0, 2.0]])
def test_invalid_weights_are_refused(keys, said, bad):
    frames = crystals(2)
    frames[0].info["weight"], frames[1].info["weight"] = 1.0, bad
    with pytest.raises(DataError, match=said):
        build_graphs(frames, 4.0, weight_keys=keys)


def test_weights_of_an_ase_data_base_are_found_where_check_names_them(tmp_path):
    with ase.db.connect(tmp_path / "a.db") as database:
        for number, atoms in enumerate(crystals(2)):
            database.write(atoms, config_weight=2.0 + number, data={"force_weight": 0.5})
    frames = read(tmp_path / "a.db")
    graphs = build_graphs(frames, 4.0, weight_keys={"all": "config_weight", "forces": "force_weight"})
    assert [float(graph.weight[0]) for graph in graphs] == [2.0, 3.0]
    assert graphs[1].label_weights.tolist() == [[1, 0.5, 1]]


def test_weights_that_are_all_zero_are_refused():
    frames = crystals(2)
    for atoms in frames:
        atoms.info.update(w=0.0)
    with pytest.raises(DataError, match=r"all weights of energy, forces, stress are zero in all 2 training structures"):
        require_weight(build_graphs(frames, 4.0, weight_keys={"all": "w"}))
    graphs = build_graphs(frames, 4.0, weight_keys={"energy": "w"})
    require_weight(graphs)
    with pytest.raises(DataError, match="all weights of energy are zero"):
        require_weight(graphs, ["energy"])


def test_weights_in_the_files_are_no_part_of_the_cache(tmp_path):
    frames = crystals(2)
    frames[0].info["w"] = 3.0
    build_graphs(frames, 4.0, cache=tmp_path, weight_keys={"forces": "w"})
    plain = build_graphs(frames, 4.0, cache=tmp_path)
    assert all(graph.label_weights.tolist() == [[1, 1, 1]] for graph in plain)
    again = build_graphs(frames, 4.0, cache=tmp_path, weight_keys={"forces": "w"})
    assert again[0].label_weights.tolist() == [[1, 3, 1]]
