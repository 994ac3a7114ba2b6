"""Checkpoints that are damaged, incomplete or of another run are refused with the way out; nothing is executed."""

import os
import shutil
import zipfile
from random import Random

import pytest
import torch
from helpers.long_run import run

from atomgraph.errors import FormatError
from atomgraph.training.checkpoint_file import BEST, LAST, CheckpointFile, read_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(folder)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_flipped_bit_anywhere_is_detected(folder):
    path = folder / LAST
    good, random = path.read_bytes(), Random(0)
    positions = [
        0,
        3,
        30,
        len(good) - 1,
        len(good) - 70,
        len(good) - 90,
        *(random.randrange(len(good)) for _ in range(150)),
    ]
    for position in positions:
        damaged = bytearray(good)
        damaged[position] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"damaged"):
            read_checkpoint(path)


def test_block_of_zeros_and_truncation_are_detected(folder):
    path = folder / LAST
    good = path.read_bytes()
    for damaged in (good[:2000] + bytes(512) + good[2512:], good[:-1], good[: len(good) // 2], b"", good + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"damaged"):
            read_checkpoint(path)


def test_a_checkpoint_is_a_zip_that_torch_reads_by_itself(folder):
    content = torch.load(folder / LAST, weights_only=True)
    assert content["atomgraph"] == {"version": 2} and "state_dict" in content
    with zipfile.ZipFile(folder / LAST) as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"atomgraph sha256 ")


def test_missing_checksum_of_version_2_is_damage(folder):
    content = torch.load(folder / LAST, weights_only=True)
    torch.save(content, folder / LAST)
    with pytest.raises(FormatError, match="its checksum is missing"):
        read_checkpoint(folder / LAST)
    del content["atomgraph"]  # as it was written before there were checksums
    torch.save(content, folder / LAST)
    assert read_checkpoint(folder / LAST)["epoch"] == content["epoch"]


def test_a_damaged_checkpoint_names_the_best_one_and_a_new_start(folder):
    (folder / LAST).write_bytes((folder / LAST).read_bytes()[:-5])
    with pytest.raises(FormatError, match=rf"Copy .*{BEST} to {LAST} .*or start the run again \(--overwrite\)"):
        run(folder, resume=True, epochs=5)
    shutil.copy(folder / BEST, folder / LAST)
    run(folder, resume=True, epochs=5)


def test_message_does_not_recommend_executing_code(folder):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(folder / "executed"),))

    torch.save({"state_dict": Evil()}, folder / LAST)
    with pytest.raises(FormatError) as error:
        read_checkpoint(folder / LAST)
    assert "weights_only" not in str(error.value) and "could run code" in str(error.value)
    assert not (folder / "executed").exists()


@pytest.mark.parametrize(
    "entry", ["state_dict", "callbacks", "epoch", "global_step", "loops", "optimizer_states", "lr_schedulers"]
)
@pytest.mark.parametrize("value", [None, 3.5, "words"], ids=str)
def test_a_missing_entry_of_a_checkpoint_is_an_error(folder, entry, value):
    content = read_checkpoint(folder / LAST)
    if value is None:
        del content[entry]
    else:
        content[entry] = value
    CheckpointFile().save_checkpoint(content, folder / LAST)
    with pytest.raises(FormatError, match=rf"(lacks )?{entry}.*--overwrite"):
        run(folder, resume=True, epochs=5)


def _changed(content, path, value):
    *way, last = path
    for key in way:
        content = content[key]
    if value is None:
        del content[last]
    else:
        content[last] = value


@pytest.mark.parametrize(
    "change",
    [
        (("loops", "fit_loop"), None),
        (("loops", "fit_loop"), {"a": 1}),
        (("optimizer_states",), []),
        (("optimizer_states", 0), {}),
        (("optimizer_states", 0, "param_groups"), None),
        (("optimizer_states", 0, "state"), {}),
        (("optimizer_states", 0, "state", 0, "exp_avg"), torch.zeros(99, 99)),
        (("callbacks", "WeightAverage"), None),
        (("callbacks", "WeightAverage", "average"), {}),
        (("callbacks", "Checkpoints"), None),
        (("callbacks", "Checkpoints", "random"), None),
        (("callbacks", "Checkpoints", "random"), {"torch": 3}),
        (("callbacks", "Checkpoints", "best"), "low"),
        (("callbacks", "Checkpoints", "identity"), 7),
    ],
    ids=str,
)
def test_wrong_values_in_a_valid_file_are_refused_in_one_line(folder, change):
    content = read_checkpoint(folder / LAST)
    _changed(content, *change)
    CheckpointFile().save_checkpoint(content, folder / LAST)
    with pytest.raises(FormatError, match="--overwrite") as error:
        run(folder, resume=True, epochs=5)
    assert "\n" not in str(error.value)


def test_weights_of_another_model_or_not_finite_are_refused(folder):
    for change in (lambda w: w.clear(), lambda w: w.update(extra=torch.zeros(2))):
        content = read_checkpoint(folder / BEST)
        change(content["state_dict"])
        CheckpointFile().save_checkpoint(content, folder / LAST)
        with pytest.raises(FormatError, match="does not contain the weights of this run's model"):
            run(folder, resume=True, epochs=5)
    content = read_checkpoint(folder / BEST)
    next(iter(content["state_dict"].values())).fill_(float("nan"))
    CheckpointFile().save_checkpoint(content, folder / LAST)
    with pytest.raises(FormatError, match="not finite"):
        run(folder, resume=True, epochs=5)


@pytest.mark.parametrize(
    "text",
    ["epoch,seconds\n1\n", "epoch,seconds\nx,1\n", "epoch\n1\n", "a,a\n1,2\n", "epoch,seconds\n1,2,3\n", "\xff\0,"],
)
def test_a_damaged_table_of_metrics_is_refused_and_can_be_moved_away(folder, text):
    (folder / "m.csv").write_bytes(text.encode("latin1"))
    with pytest.raises(FormatError, match=r"m.csv is damaged .* move it away"):
        run(folder, resume=True, epochs=5)
    (folder / "m.csv").unlink()
    run(folder, resume=True, epochs=5)


def test_text_file_was_once_reported_as_damaged_101(tmp_path):
    (tmp_path / LAST).write_text("epoch 3")
    with pytest.raises(FormatError, match=r"or damaged: it is not a zip archive of torch\. Start the run again"):
        read_checkpoint(tmp_path / LAST)
