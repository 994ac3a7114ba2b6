import numpy as np
import pytest
from helpers.labelled_structures import SILICON, labelled, mixed

from atomgraph.data import census, read, require_labels
from atomgraph.errors import DataError


def test_counts_of_mixed_labels_are_those_counted_by_hand():
    counted = census(mixed())
    assert (counted.n_frames, counted.n_atoms, counted.n_isolated) == (9, 3 + 3 + 5 + 5 + 4 + 1 + 1 + 8, 2)
    assert counted.elements == {"H": 2 + 2 + 4 + 4 + 3 + 1, "C": 2, "N": 1, "O": 3, "Cu": 8}
    assert counted.labels == {"energy": 7, "forces": 5, "stress": 2}
    assert counted.kinds["molecule"] == {"frames": 5, "atoms": 20, "energy": 3, "forces": 3, "stress": 0}
    assert counted.ranges["force"][2] >= np.sqrt(0.75) - 1e-12


def test_ranges_of_silicon_are_those_of_its_readme():
    counted = census(read(SILICON / "test.xyz.gz"))
    assert counted.ranges["energy"][0] == pytest.approx(-5.3884, abs=5e-5)
    assert counted.ranges["energy"][2] == pytest.approx(-4.5604, abs=5e-5)
    assert counted.kinds["Elastic"]["frames"] == 6
    text = str(counted)
    assert "25 frames, 1525 atoms: Si 1525" in text and "eV/Å³" in text and "AIMD-NVT" in text


def test_a_weighted_target_without_any_label_is_refused_with_a_list_of_keys():
    frames = [atoms for atoms in mixed() if atoms.info["config_type"] != "crystal"]
    frames[0].info["REF_stress"] = np.eye(3)
    with pytest.raises(DataError, match=r"stress should be fitted with weight 0.1, .*none of 7 frames.*REF_stress"):
        require_labels(census(frames), {"energy": 1.0, "stress": 0.1})
    require_labels(census(frames), {"energy": 1.0, "forces": 2.0, "stress": 0.0})
    require_labels(census(frames), ["energy", "forces"])


def test_record_is_json(tmp_path):
    import json

    assert json.loads(json.dumps(census(mixed()).to_json()))["n_frames"] == 9
    assert census([]).n_frames == 0 and census([labelled(mixed()[5])]).labels["energy"] == 0
