import json

import pytest
from ase import Atoms
from helpers.labelled_structures import SILICON, crystals, mixed

from atomgraph.data import Split, read, split, split_by_file
from atomgraph.errors import DataError


@pytest.fixture(scope="module")
def silicon():
    return read(SILICON / "test.xyz.gz")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [(0.1, 0), (0.2, 0.2), (3, 5), (0.5, 1)])
def test_every_frame_is_in_one_part_and_parts_have_the_sizes_asked_for(silicon, seed, shares):
    cut = split(silicon, valid=shares[0], test=shares[1], seed=seed)
    assert sorted(cut.train + cut.valid + cut.test) == list(range(25))
    sizes = [round(share * 25) if share < 1 else share for share in shares]
    assert [len(cut.valid), len(cut.test)] == sizes


def test_the_split_for_a_seed_is_fixed(silicon):
    assert split(silicon, valid=4, seed=7).valid == [8, 12, 13, 15]
    assert split(silicon, valid=4, seed=8).valid != split(silicon, valid=4, seed=7).valid


def test_stratified_parts_hold_every_type_in_proportion(silicon):
    cut = split(silicon, valid=0.4, seed=3, stratify=True)
    kinds = [silicon[index].info["config_type"] for index in cut.valid]
    assert len(kinds) == 10
    for kind, number in {"Vacancy": 7, "Surface": 2, "AIMD-NVT": 10, "Elastic": 6}.items():
        assert abs(kinds.count(kind) - 0.4 * number) < 1


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_never_divided(silicon, seed):
    frames = [atoms.copy() for atoms in silicon]
    for number, atoms in enumerate(frames[:20]):
        atoms.info["trajectory"] = number // 4
    cut = split(frames, valid=0.3, test=0.2, seed=seed, group="trajectory")
    for part in (cut.train, cut.valid, cut.test):
        for number in range(5):
            inside = [index for index in part if index < 20 and index // 4 == number]
            assert len(inside) in {0, 4}
    assert cut.valid and cut.test and len(cut.train) >= 12 and cut.method == "group"


def test_a_split_is_recorded_and_refused_for_other_data(silicon):
    cut = split(silicon, valid=0.2, seed=1)
    record = json.loads(json.dumps(cut.to_json()))
    assert Split.from_json(record, silicon) == cut
    with pytest.raises(DataError, match="other data"):
        Split.from_json(record, silicon[::-1])


def test_nothing_to_train_on_is_refused(silicon):
    for shares in ({"valid": 0.5, "test": 0.5}, {"valid": 25}, {"valid": 20, "test": 10}):
        with pytest.raises(DataError, match="nothing is left to train on"):
            split(silicon[:24], **shares)
    with pytest.raises(DataError, match="nothing is left to train on"):
        split_by_file(train=[], valid=silicon)
    with pytest.raises(DataError, match="nothing is left to train on"):
        split([], valid=0)


def test_a_fraction_of_one_is_everything_and_not_one_frame(silicon):
    with pytest.raises(DataError, match="nothing is left to train on"):
        split(silicon, valid=1.0)
    assert len(split(silicon, valid=1).valid) == 1


@pytest.mark.parametrize("stratify", [False, True])
def test_isolated_atoms_are_trained_on_since_e0_is_taken_from_them(silicon, stratify):
    boxed = Atoms("Si", cell=[15.0] * 3, pbc=True, info={"config_type": "isolated"})
    frames = [Atoms("H"), boxed, *silicon, Atoms("O")]
    for seed in range(20):
        cut = split(frames, valid=0.2, test=5, seed=seed, stratify=stratify)
        assert {0, 1, 27} <= set(cut.train) and len(cut.valid) == 6 and len(cut.test) == 5
        assert sorted(cut.train + cut.valid + cut.test) == list(range(28))
    assert len(split([Atoms("H"), Atoms("O"), Atoms("C")], valid=1).valid) == 1


def test_a_requested_part_is_not_empty(silicon):
    frames = [atoms.copy() for atoms in silicon]
    for atoms in frames:
        atoms.info["trajectory"] = "one"
    with pytest.raises(DataError, match="valid stays empty"):
        split(frames, valid=0.2, group="trajectory")
    assert len(split(silicon[:5], valid=0.01).valid) == 1


def test_wrong_shares_and_keys_are_refused(silicon):
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(DataError, match="should be a fraction below 1 or a number"):
            split(silicon, valid=share)
    with pytest.raises(DataError, match=r"group key 'run'.*config_type"):
        split(silicon, valid=0.2, group="run")


def test_files_keep_their_parts():
    first, second = crystals(3), mixed()
    frames, cut = split_by_file(train=first, test=second)
    assert frames == [*first, *second] and cut.train == [0, 1, 2] and len(cut.test) == 9 and not cut.valid
    assert cut.take(frames)["test"] == second
