"""The file: what is written comes back to the last bit, and what cannot be right is refused with a way out."""

import errno
import json
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import ase
import pytest
import safetensors.torch
import torch
from helpers import tiny_structures as tiny
from safetensors import safe_open

import atomgraph
from atomgraph import Potential, atomic_write, checksums, formats, models
from atomgraph.errors import FormatError
from atomgraph.formats import native
from atomgraph.formats.hints import FileHints


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    tiny.potential(metadata={"e0_origin": "given", "split": {"seed": 3}}).save(path)
    return path


def header_of(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["atomgraph"])


def rewritten(path, change, tensors=None):
    """The same file with another header, or other tensors."""
    header, kept = header_of(path), safetensors.torch.load_file(path)
    change(header)
    if "sha256" in header:
        header["sha256"] = checksums.BLANK
    words = {"atomgraph": json.dumps(header)}
    safetensors.torch.save_file(kept if tensors is None else tensors(kept), path, metadata=words)
    if "sha256" in header:
        checksums.seal(path)
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_predictions_after_loading_are_bit_equal_and_the_dtype_is_kept(tmp_path, dtype):
    before = tiny.potential(dtype=dtype, seed=4)
    before.save(tmp_path / "a.safetensors")
    after = atomgraph.load(tmp_path / "a.safetensors")
    assert {n: t.dtype for n, t in after.state_dict().items()} == {n: t.dtype for n, t in before.state_dict().items()}
    for a, b in zip(before.predict(tiny.structures()), after.predict(tiny.structures()), strict=True):
        assert a["energy"] == b["energy"]
        for name in ("node_energy", "forces", "stress"):
            assert a[name].tobytes() == b[name].tobytes()


def test_metadata_comes_back_with_the_time_and_the_versions(saved):
    metadata = atomgraph.load(saved).metadata
    assert metadata["e0_origin"] == "given" and metadata["split"] == {"seed": 3}
    assert metadata["versions"]["torch"] == torch.__version__ and metadata["created"].endswith("Z")


def test_saving_what_was_loaded_gives_the_same_bytes(saved, tmp_path):
    atomgraph.load(saved).save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_the_header_says_what_the_file_is_for_in_plain_json(saved):
    header = header_of(saved)
    assert header["format"] == "atomgraph potential" and header["version"] == native.VERSION
    assert header["elements"] == ["H", "O", "Si"] and header["units"] == {"energy": "eV", "length": "Å"}
    assert header["e0"] == {"default": {"H": -3.0, "O": -4.0, "Si": -5.0}}
    assert header["architecture"]["branches"]["featurizer"]["kind"] == "helpers.tiny_structures.Humps"


def test_not_a_number_in_metadata_becomes_null_and_numpy_becomes_plain(tmp_path):
    potential = tiny.potential(metadata={"a": float("nan"), "b": torch.tensor([1.5]), "c": (1, Path("x"))})
    potential.save(tmp_path / "a.safetensors")
    metadata = atomgraph.load(tmp_path / "a.safetensors").metadata
    assert (metadata["a"], metadata["b"], metadata["c"]) == (None, [1.5], [1, "x"])


def test_metadata_that_is_no_json_is_refused_by_its_name(tmp_path):
    with pytest.raises(FormatError, match=r"metadata\.data\.model .* Linear is no JSON value"):
        tiny.potential(metadata={"data": {"model": torch.nn.Linear(1, 1)}}).save(tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_what_its_constructor_made_is_not_written(tmp_path):
    potential = tiny.potential()
    potential.model.branches[0].readouts[0].extra = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(FormatError, match=r"could not be read again: the file should not hold .*extra"):
        potential.save(tmp_path / "a.safetensors")


def test_saving_and_loading_leave_the_random_state_alone(tmp_path):
    state = torch.get_rng_state()
    tiny.potential().save(tmp_path / "a.safetensors")
    atomgraph.load(tmp_path / "a.safetensors")
    assert torch.equal(torch.get_rng_state(), state)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(saved, monkeypatch):
    old = saved.read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_write.os, "fsync", full)
    with pytest.raises(FormatError, match=r"cannot write .*model.safetensors: No space left on device"):
        tiny.potential(seed=9).save(saved)
    assert saved.read_bytes() == old and [p.name for p in saved.parent.iterdir()] == ["model.safetensors"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"cannot write .*nowhere/a.safetensors: No such file or directory"):
        tiny.potential().save(tmp_path / "nowhere" / "a.safetensors")


def test_a_folder_is_not_written_over(tmp_path):
    with pytest.raises(FormatError, match="a folder of this name exists"):
        tiny.potential().save(tmp_path)


@pytest.mark.parametrize("length", [0, 4, 9, 60, 700, -1, -40])
def test_a_file_cut_short_anywhere_is_refused_in_one_line(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(FormatError, match=r"copy or download it again|not a potential of a known format") as error:
        atomgraph.load(saved)
    assert "\n" not in str(error.value)


def test_every_flipped_byte_of_the_header_is_refused_or_harmless(saved):
    good = saved.read_bytes()
    for position in range(0, 8 + struct.unpack("<Q", good[:8])[0], 29):
        saved.write_bytes(good[:position] + bytes([good[position] ^ 0x15]) + good[position + 1 :])
        try:
            atomgraph.load(saved)
        except FormatError as error:
            assert str(saved) in str(error)


def test_a_file_of_a_future_version_names_the_version_that_reads_it(saved):
    rewritten(saved, lambda header: header.update(version=7, readable_from="3.1.4"))
    with pytest.raises(FormatError, match=r"format version 7 and needs atomgraph 3\.1\.4 or later"):
        atomgraph.load(saved)


def test_a_header_that_contradicts_its_model_is_refused(saved):
    rewritten(saved, lambda header: header.update(elements=["Au", "Ag"]))
    with pytest.raises(FormatError, match=r"has the elements \['Au', 'Ag'\] in its header, but its model has"):
        atomgraph.load(saved)
    rewritten(saved, lambda header: header.update(version=-1))
    with pytest.raises(FormatError, match="without a version"):
        atomgraph.load(saved)


def test_safetensors_of_another_program_are_named_as_such(tmp_path):
    safetensors.torch.save_file({"decoder.weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(FormatError, match=r"safetensors file of another program \(tensors decoder.weight\)"):
        atomgraph.load(tmp_path / "a.safetensors")


def test_tensors_that_are_missing_extra_or_misshapen_are_named(saved):
    weight = "branches.0.readouts.0.weight"
    rewritten(saved, lambda h: None, lambda t: {n: v for n, v in t.items() if n != weight} | {"odd": torch.zeros(1)})
    with pytest.raises(FormatError, match=f"the file lacks {weight}; the file should not hold odd"):
        atomgraph.load(saved)
    rewritten(saved, lambda h: None, lambda t: {n: v for n, v in t.items() if n != "odd"} | {weight: torch.zeros(9, 1)})
    with pytest.raises(FormatError, match=rf"{weight} has shape \(9, 1\), the architecture gives \(4, 1\)"):
        atomgraph.load(saved)


def test_a_part_that_was_not_imported_is_not_imported_by_the_file(saved):
    script = f"import atomgraph; atomgraph.load({str(saved)!r})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/")
    assert "helpers.tiny_structures.Humps" in ended.stderr and "import helpers.tiny_structures first" in ended.stderr


@pytest.mark.parametrize(
    "kind", ["os.system", "subprocess.Popen", "atomgraph.__main__.entry", "atomgraph.errors.nearest"]
)
def test_a_file_that_names_something_else_than_a_part_is_refused(saved, kind):
    rewritten(saved, lambda header: header.update(architecture={"kind": kind}))
    with pytest.raises(FormatError, match="cannot be built"):
        atomgraph.load(saved)


def test_a_part_that_is_no_model_is_refused(saved):
    rewritten(saved, lambda header: header.update(architecture=header["architecture"]["branches"]))
    with pytest.raises(FormatError, match=r"atomgraph\.models\.Branch' is none"):
        atomgraph.load(saved)


def test_an_unpickled_file_cannot_run_code(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "mace.model")
    with pytest.raises(FormatError, match=r"perhaps a state dict, and no MACE model"):
        atomgraph.load(tmp_path / "mace.model")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"MTP\nversion = 1.1.0\n", "looks like an MTP potential"),
        (b'2\nLattice="1 0 0"\n', "looks like structures"),
        (b"hello", "is not a potential of a known format"),
    ],
)
def test_foreign_files_are_named_by_their_content(tmp_path, content, words):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(FormatError, match=words):
        formats.read(tmp_path / "a.bin")


def test_a_run_folder_is_read_as_its_potential_or_refused_if_training_has_not_ended(tmp_path, saved):
    assert atomgraph.load(saved.parent).elements == ["H", "O", "Si"]
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(FormatError, match="its training has not ended; continue it with --resume"):
        atomgraph.load(tmp_path / "run")


def test_what_is_not_there_is_named():
    with pytest.raises(FormatError, match=r"no potential at nowhere\.safetensors"):
        atomgraph.load("nowhere.safetensors")


def test_hints_of_the_user_complete_the_file_and_must_not_contradict_it():
    path, said = Path("a.xml"), FileHints.from_user(["O", "H"], "Hartree/Bohr")
    assert said.resolve_elements(path, None) == ["O", "H"] and said.resolve_elements(path, ["H", "O"]) == ["H", "O"]
    assert said.resolve_units(path, None) == {"energy": "Hartree", "length": "Bohr"}
    with pytest.raises(FormatError, match="is for Si, but the user states O, H"):
        said.resolve_elements(path, ["Si"])
    with pytest.raises(FormatError, match="is in eV and Å, but the user states Hartree and Bohr"):
        said.resolve_units(path, native.UNITS)
    with pytest.raises(FormatError, match="does not contain its elements"):
        FileHints().resolve_elements(path, None)
    with pytest.raises(FormatError, match="does not contain its units"):
        FileHints().resolve_units(path, None)
    assert FileHints.from_user(units="kcal/mol/Å").units == FileHints.from_user(units="real").units


def of_version_1(path):
    """The same file as atomgraph wrote it before files had checksums."""

    def older(header):
        header["version"] = 1
        header.pop("sha256")

    return rewritten(path, older)


def test_a_flipped_bit_anywhere_in_the_file_is_noticed(saved):
    good, random = saved.read_bytes(), Random(0)
    for position in [*range(12), *(random.randrange(len(good)) for _ in range(200)), len(good) - 1]:
        damaged = bytearray(good)
        damaged[position] ^= 1 << random.randrange(8)
        saved.write_bytes(damaged)
        with pytest.raises(FormatError):
            atomgraph.load(saved)


def test_a_block_of_zeros_and_a_longer_or_shorter_tail_are_noticed(saved):
    good = saved.read_bytes()
    for damaged in (good[:-300] + bytes(300), good[:400] + bytes(64) + good[464:], good + b"\0", good[:-1]):
        saved.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"damaged|corrupt"):
            atomgraph.load(saved)


def test_a_file_of_a_version_with_checksums_that_carries_none_is_damaged(saved):
    rewritten(saved, lambda header: header.pop("sha256"))
    with pytest.raises(FormatError, match="does not fit its checksum"):
        atomgraph.load(saved)


def test_a_file_of_the_version_before_checksums_opens_and_says_so(saved, tmp_path):
    assert native.describe_checksum(saved) == "SHA-256, right"
    before = atomgraph.load(saved).predict(tiny.structures())[0]["energy"]
    assert native.describe_checksum(of_version_1(saved)) == "no checksum"
    assert atomgraph.load(saved).predict(tiny.structures())[0]["energy"] == before


def test_a_file_with_a_checksum_is_plain_safetensors_for_other_programs(saved):
    tensors = safetensors.torch.load_file(saved)
    assert tensors.keys() == atomgraph.load(saved).model.state_dict().keys()


def test_metadata_that_holds_a_checksum_of_its_own_is_not_taken_for_the_files(tmp_path):
    path = tmp_path / "a.safetensors"
    tiny.potential(metadata={"sha256": "0" * 64, "origin": {"sha256": "f" * 64}}).save(path)
    assert atomgraph.load(path).metadata["sha256"] == "0" * 64
    of_version_1(path)
    assert atomgraph.load(path).metadata["sha256"] == "0" * 64


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_loaded(saved, tmp_path, value):
    potential = atomgraph.load(saved)
    with torch.no_grad():
        potential.model.branches[0].readouts[0].weight[0] = value
    with pytest.raises(FormatError, match=r"not finite \(branches.0.readouts.0.weight\)"):
        potential.save(tmp_path / "b.safetensors")
    weight = "branches.0.readouts.0.weight"
    rewritten(saved, lambda h: None, lambda t: t | {weight: torch.full_like(t[weight], value)})
    with pytest.raises(FormatError, match=r"not finite \(branches.0.readouts.0.weight\)"):
        atomgraph.load(saved)


def test_tensors_of_another_dtype_than_the_headers_are_refused(saved):
    rewritten(saved, lambda h: None, lambda t: {name: tensor.half() for name, tensor in t.items()})
    with pytest.raises(FormatError, match=r"has the dtype torch\.float16, but the architecture has torch.float64"):
        atomgraph.load(saved)


WRONG = (None, True, -1, 0, 7, 10**9, 10**30, 1.5, -1e300, "", "abc", "10000000x0e", [], [1], {}, {"a": 1}, [[]] * 3)


@pytest.mark.parametrize("family", ["MACE", "GCN", "ACE", "GAP", "SNAP", "BehlerParrinello"])
def test_wrong_values_in_a_well_formed_header_are_refused_in_one_line(tmp_path, family):
    path = tmp_path / "a.safetensors"
    atomgraph.Potential(getattr(atomgraph.models, family)(["H", "O"], 4.0)).save(path)
    random = Random(1)
    tensors, whole = safetensors.torch.load_file(path), header_of(path)
    for _ in range(40):
        header = json.loads(json.dumps(whole))
        place = header
        while True:
            key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or not place[key] or random.random() < 0.1:
                break
            place = place[key]
        place[key] = random.choice(WRONG)
        if type(header.get("version")) is int and "sha256" in header:
            header["sha256"] = checksums.BLANK
        safetensors.torch.save_file(tensors, path, metadata={"atomgraph": json.dumps(header)})
        if header.get("sha256") == checksums.BLANK:
            checksums.seal(path)
        try:
            atomgraph.load(path)
        except FormatError as error:
            assert "\n" not in str(error)


def test_an_older_snap_with_a_gap_in_its_table_opens_with_the_numbers_it_was_made_with(tmp_path):
    """Elements that a table lacked had a radius of 0.5 and a weight of 1 in version 1."""
    radii = {"Si": 0.6, "O": 0.5}
    before = Potential(models.SNAP(["Si", "O"], 4.0, twojmax=2, radii=radii, weights={"Si": 0.8, "O": 1.0})).double()
    path = before.save(tmp_path / "snap.safetensors") or tmp_path / "snap.safetensors"

    def gaps(header):
        header["version"] = 1
        header.pop("sha256", None)
        del header["architecture"]["radii"]["O"]
        del header["architecture"]["weights"]["O"]

    rewritten(path, gaps)
    after = atomgraph.load(path)
    atoms = ase.Atoms("SiO2", positions=[[0, 0, 0], [0, 0, 1.6], [0, 1.6, 0]])
    assert after.predict([atoms])[0]["energy"] == before.eval().predict([atoms])[0]["energy"]
