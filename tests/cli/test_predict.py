"""atomgraph predict: a copy with predictions; the input stays as it is, and nothing is written by halves."""

import os
from contextlib import closing

import ase.io
import numpy as np
import pytest
from helpers import tiny_structures as tiny

from atomgraph.cli import main
from atomgraph.cli.partial_results import PartialResults

ITER_PREDICT = "atomgraph.structure_predictor.StructurePredictor.iter_predict"


@pytest.fixture
def model(tmp_path):
    tiny.potential().save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "in.xyz"
    frames = tiny.labelled(tiny.structures()[:4], tiny.potential(seed=3))
    frames[0].info["temperature"] = 300.0
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.mark.parametrize("name", ["out.xyz", "out.extxyz.gz", "out.traj", "out.db", "out.json"])
def test_written_predictions_are_read_back(model, data, tmp_path, name):
    before = data.read_bytes()
    assert main(["predict", model, str(data), str(tmp_path / name)]) == 0
    written = ase.io.read(tmp_path / name, ":")
    for atoms, numbers in zip(written, tiny.potential().predict(tiny.structures()[:4]), strict=True):
        assert atoms.get_potential_energy() == pytest.approx(numbers["energy"], abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), numbers["forces"], atol=1e-6)
        assert ("stress" in atoms.calc.results) == np.isfinite(numbers["stress"]).all()
        if "stress" in atoms.calc.results:
            np.testing.assert_allclose(atoms.get_stress(voigt=False), numbers["stress"], atol=1e-7)
    assert data.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "in.xyz", name}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--dtype", "float46"], "float64"), (["--dtype", "mixed", "--no-compile"], "float32 or float64")],
)
def test_invalid_dtype_is_one_line_and_exit_code_two(model, data, tmp_path, capsys, arguments, said):
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "out.xyz").exists()


def test_other_entries_of_a_structure_are_kept(model, data, tmp_path):
    main(["predict", model, str(data), str(tmp_path / "out.xyz")])
    info = ase.io.read(tmp_path / "out.xyz", 0).info
    assert info["temperature"] == 300.0 and info["config_type"] == "crystal" and "source" not in info


@pytest.mark.parametrize("target", ["in.xyz", "./in.xyz"])
def test_the_input_is_never_the_output(model, data, tmp_path, target, capsys):
    before = data.read_bytes()
    assert main(["predict", model, str(data), str(tmp_path / target), "--overwrite"]) == 2
    assert data.read_bytes() == before and "is the input" in capsys.readouterr().err


def test_an_older_file_is_overwritten_only_when_asked(model, data, tmp_path, capsys):
    (tmp_path / "out.xyz").write_text("mine")
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz")]) == 2
    assert (tmp_path / "out.xyz").read_text() == "mine" and "--overwrite" in capsys.readouterr().err
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz"), "--overwrite"]) == 0
    assert len(ase.io.read(tmp_path / "out.xyz", ":")) == 4


def test_an_unknown_element_leaves_no_file(model, tmp_path, capsys):
    ase.io.write(tmp_path / "gold.xyz", ase.Atoms("Au"), format="extxyz")
    assert main(["predict", model, str(tmp_path / "gold.xyz"), str(tmp_path / "out.xyz")]) == 2
    assert "unknown elements Au" in capsys.readouterr().err and not (tmp_path / "out.xyz").exists()


def test_formats_without_predictions_are_refused(model, data, tmp_path, capsys):
    assert main(["predict", model, str(data), str(tmp_path / "out.cif")]) == 2
    assert "out.cif" in capsys.readouterr().err


def frames_with_a_bad_one(path, n=6, bad=2):
    frames = [tiny.structures()[0] for _ in range(n)]
    frames[bad].symbols[0] = "Au"
    ase.io.write(path, frames, format="extxyz")
    return frames


def test_bad_structure_stops_before_any_work(model, tmp_path, capsys, monkeypatch):
    frames_with_a_bad_one(tmp_path / "many.xyz")
    monkeypatch.setattr(
        "atomgraph.structure_predictor.StructurePredictor.iter_predict", lambda *_, **__: pytest.fail("work was done")
    )
    assert main(["predict", model, str(tmp_path / "many.xyz"), str(tmp_path / "out.xyz")]) == 2
    error = capsys.readouterr().err
    assert "1 of 6 structures cannot be used (--skip-bad leaves them out)" in error and "#2" in error and "Au" in error
    assert not (tmp_path / "out.xyz").exists()


def test_bad_structures_are_reported_and_skipped_on_request(model, tmp_path, capsys):
    frames = frames_with_a_bad_one(tmp_path / "many.xyz")
    text = (tmp_path / "many.xyz").read_text()
    (tmp_path / "many.xyz").write_text(
        text + text.replace("Au", "Au", 1).splitlines()[0] + "\nbroken comment\nnot an atom\n"
    )
    assert main(["predict", model, str(tmp_path / "many.xyz"), str(tmp_path / "out.xyz"), "--skip-bad"]) == 0
    assert capsys.readouterr().err.count("skipped: ") == 2
    written = ase.io.read(tmp_path / "out.xyz", ":")
    assert len(written) == len(frames) - 1
    again = tiny.potential().predict([frames[-1]])[0]
    assert written[-1].get_potential_energy() == pytest.approx(again["energy"], abs=1e-6)


def test_missing_folder_is_an_error_before_the_work(model, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "atomgraph.structure_predictor.StructurePredictor.iter_predict", lambda *_, **__: pytest.fail("work was done")
    )
    assert main(["predict", model, str(data), str(tmp_path / "nofolder" / "out.xyz")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_interrupted_prediction_resumes(model, data, tmp_path, capsys, monkeypatch):
    """Four structures in batches of one; the third is where the run ends."""
    from atomgraph.structure_predictor import StructurePredictor

    whole, asked = StructurePredictor.iter_predict, []

    def ending(self, structures, **options):
        for number, result in enumerate(whole(self, structures, edge_budget=1, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield result

    def counting(self, structures, **options):
        asked.extend(structures)
        yield from whole(self, structures, **options)

    monkeypatch.setattr(StructurePredictor, "iter_predict", ending)
    out = tmp_path / "out.traj"
    assert main(["predict", model, str(data), str(out)]) == 130
    assert "2 of 4 structures are saved" in capsys.readouterr().err and not out.exists()
    monkeypatch.setattr(StructurePredictor, "iter_predict", counting)
    assert main(["predict", model, str(data), str(out)]) == 0
    assert len(asked) == 2 and "resuming after 2 of 4 structures" in capsys.readouterr().err
    results = tiny.potential().predict(tiny.structures()[:4])
    for atoms, numbers in zip(ase.io.read(out, ":"), results, strict=True):
        assert atoms.get_potential_energy() == pytest.approx(numbers["energy"], abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), numbers["forces"], atol=1e-6)
    assert not list(tmp_path.glob("*.partial"))


def flipped(content: bytes) -> bytes:
    """One bit of the second of three results is another."""
    at = content.index(b"\n") + (len(content) - content.index(b"\n")) // 2
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b + b"\x00\x01", lambda b: b"other\n" + b, lambda b: b"", flipped]
)
def test_partial_results_that_are_damaged_or_of_another_run_are_computed_again(tmp_path, damage):
    frames = tiny.structures()[:4]
    results = tiny.potential().predict(frames)
    target = tmp_path / "out.xyz"
    with closing(PartialResults(target, {"model": "a"}, frames)) as first:
        assert first.resume() == 0
        for result in results[:3]:
            first.add(result)
        first.flush()
    first.path.write_bytes(damage(first.path.read_bytes()))
    with closing(PartialResults(target, {"model": "a"}, frames)) as second:
        n_done = second.resume()
        assert n_done < 4
        for kept, result in zip(second.done, results, strict=False):
            assert kept["energy"] == result["energy"] and np.array_equal(kept["forces"], result["forces"])
        for result in results[n_done:]:
            second.add(result)
        second.flush()
    with closing(PartialResults(target, {"model": "a"}, frames)) as third:
        assert third.resume() == 4
        for resumed, expected in zip(third.done, results, strict=True):
            assert resumed["energy"] == expected["energy"] and np.array_equal(resumed["forces"], expected["forces"])
    with closing(PartialResults(target, {"model": "b"}, frames)) as other_run:
        assert other_run.resume() == 0


def test_uncertainty_is_kept_in_partial_results(tmp_path):
    frames = tiny.structures()[:2]
    results = [result | {"uncertainty": 0.25} for result in tiny.potential().predict(frames)]
    for n_done in (0, 2):
        with closing(PartialResults(tmp_path / "out.xyz", {}, frames)) as partial:
            assert partial.resume() == n_done
            for result in results[n_done:]:
                partial.add(result)
            partial.flush()
            assert [result["uncertainty"] for result in partial.done] == [0.25, 0.25]


def test_two_predictions_into_one_output_are_refused(model, data, tmp_path, capsys):
    """Their results would be rows of two runs, taken for those of one."""
    target = tmp_path / "out.xyz"
    with closing(PartialResults(target, {"model": "a"}, [])) as partial:
        partial.resume()
        assert main(["predict", model, str(data), str(target)]) == 2
        assert "is in use: another process writes predictions to the same output" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_nothing_is_written_through_a_link_or_a_pipe(model, data, tmp_path, capsys, kind):
    path, victim = tmp_path / "out.xyz.partial", tmp_path / "victim.txt"
    victim.write_text("mine")
    path.symlink_to(victim) if kind == "link" else os.mkfifo(path)
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz")]) == 2
    assert "nothing is written to it; remove it" in capsys.readouterr().err
    assert victim.read_text() == "mine"


def test_a_result_that_is_not_finite_ends_with_exit_code_one(model, data, tmp_path, capsys, monkeypatch):
    from atomgraph.structure_predictor import StructurePredictor

    whole = StructurePredictor.iter_predict

    def with_nan(self, structures, **options):
        for number, result in enumerate(whole(self, structures, **options)):
            yield result | ({"energy": float("nan")} if number == 1 else {})

    monkeypatch.setattr(StructurePredictor, "iter_predict", with_nan)
    assert main(["predict", model, str(data), str(tmp_path / "out.traj")]) == 1
    assert "1 structure without a finite result" in capsys.readouterr().err
    assert len(ase.io.read(tmp_path / "out.traj", ":")) == 4
