"""fit.kind: least_squares and sparse_gp, from a configuration to a run folder, and what bad input gets."""

import re
import subprocess
import sys

import ase.io
import pytest
import torch
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from helpers.run_configs import tiny
from helpers.training_data import frames

import atomgraph
from atomgraph.analysis.laws import laws
from atomgraph.cli import main
from atomgraph.config.model_spec import build_model, resolve_spec
from atomgraph.errors import ConfigError, DataError
from atomgraph.fitting import ClosedFormResult, FittingError
from atomgraph.fitting.cancellation import FLOAT32_DIGITS, FLOAT32_ERROR, FLOAT32_ORDER
from atomgraph.potential import Potential
from atomgraph.runs import resume
from atomgraph.runs.fits.block_progress import BlockProgress
from atomgraph.runs.fits.closed_form_hint import closed_form_hint
from atomgraph.runs.fits.solve import describe_solution
from atomgraph.runs.folder import TABLE

ACE = {"kind": "ACE", "elements": "auto", "cutoff": 4.0, "n_max": [4, 2], "l_max": [0, 1], "parameters": [[1.0, 1.0]]}
GAP = {
    "kind": "GAP",
    "elements": "auto",
    "cutoff": 4.0,
    "n_points": 8,
    "n_max": 3,
    "l_max": 2,
    "pairs": {"n_points": 5},
}
SQUARES = {"kind": "least_squares", "accelerator": "cpu"}
PROCESS = {"kind": "sparse_gp", "accelerator": "cpu"}


def config(folder, model, fit, **changes):
    settings = tiny(folder, **changes)
    settings["data"].pop("edge_budget")
    return settings | {"model": model, "fit": fit}


def weights(potential):
    return torch.cat([p.detach().flatten() for p in potential.parameters()])


@pytest.mark.parametrize(("model", "fit"), [(ACE, SQUARES), (GAP, PROCESS)], ids=["ACE", "GAP"])
def test_a_run_leaves_a_potential_that_predicts_the_test_part(tmp_path, model, fit):
    potential, metrics = atomgraph.train(config(tmp_path, model, fit), quiet=True)
    loaded = atomgraph.load(tmp_path / "run")
    (prediction,) = loaded.predict(frames(1, seed=9))
    assert prediction["energy"] == pytest.approx(potential.predict(frames(1, seed=9))[0]["energy"], abs=1e-12)
    assert loaded.model.dtype == torch.float64
    labels = torch.cat([torch.tensor(atoms.get_forces()).flatten() for atoms in frames(4, seed=9)])
    assert metrics["test"]["all"]["forces"]["rmse"] < 0.5 * float(labels.square().mean().sqrt())
    facts = metrics["training"]
    assert facts["rank"] <= facts["unknowns"] and facts["rows"] > facts["unknowns"] and facts["condition_number"] > 1
    assert (tmp_path / "run" / TABLE).read_text().startswith("block,structures,rows,seconds\n")


def test_stopped_fit_resumes_to_the_same_weights(tmp_path, monkeypatch):
    fit = SQUARES | {"block": 60}
    (tmp_path / "a").mkdir()
    straight, _ = atomgraph.train(config(tmp_path / "a", ACE, fit), quiet=True)
    (tmp_path / "b").mkdir()
    stopping = BlockProgress.on_block

    def interrupt(self, progress):
        stopping(self, progress)
        if progress.block == 3:
            raise KeyboardInterrupt

    with (
        monkeypatch.context() as patch,
        pytest.raises(KeyboardInterrupt, match="resume with: atomgraph train --resume"),
    ):
        patch.setattr("atomgraph.fitting.streaming.SAVE_EVERY", 0.0)
        patch.setattr(BlockProgress, "on_block", interrupt)
        atomgraph.train(config(tmp_path / "b", ACE, fit), quiet=True)
    resumed, _ = resume(tmp_path / "b" / "run", quiet=True)
    torch.testing.assert_close(weights(resumed), weights(straight), rtol=1e-9, atol=1e-12)
    ridge, metrics = resume(tmp_path / "b" / "run", ["fit.solver=ridge", "fit.strength=0.1"], quiet=True)
    assert metrics["training"]["strength"] == 0.1 and not torch.equal(weights(ridge), weights(straight))
    with pytest.raises(ConfigError, match=r"fit\.block cannot change: the fit has saved rows"):
        resume(tmp_path / "b" / "run", ["fit.block=7"])


def test_training_by_gradient_can_start_from_a_closed_form_fit(tmp_path):
    """One epoch of it is nearer than one epoch from random weights."""
    errors = {}
    for name, start in (("random", None), ("solved", SQUARES)):
        (tmp_path / name).mkdir()
        fit = {"max_epochs": 1, "accelerator": "cpu", "precision": "64-true", "optimizer": {"lr": 1e-4}, "start": start}
        _, metrics = atomgraph.train(config(tmp_path / name, ACE, fit), quiet=True)
        errors[name] = metrics["test"]["all"]["forces"]["mae"]
    assert errors["solved"] < 0.5 * errors["random"]


def test_the_last_layer_of_a_frozen_network_is_solved_for(tmp_path):
    gcn = tiny(tmp_path)["model"]
    before = atomgraph.config.read_config(tiny(tmp_path))
    potential, metrics = atomgraph.train(config(tmp_path, gcn | {"readout_hidden": [16]}, SQUARES), quiet=True)
    assert before.fit.kind == "gradient" and metrics["training"]["unknowns"] == 17
    assert potential.heads == ["default"]


def broken(folder, change):
    """A training file in which something is wrong."""
    structures = frames(8)
    change(structures)
    path = folder / "broken.xyz"
    ase.io.write(path, structures, format="extxyz")
    return {"train": str(path), "valid": None, "test": None}


def contradict(structures):
    """The first frame again, with another energy."""
    again = structures[0].copy()
    labels = dict(structures[0].calc.results) | {"energy": structures[0].get_potential_energy() + 3.0}
    again.calc = SinglePointCalculator(again, **labels)
    structures.append(again)


def test_contradicting_frames_are_named(tmp_path):
    data = broken(tmp_path, contradict)
    with pytest.raises(
        DataError, match=r"are equal structures, but their energies differ by 3 eV/atom.*contradictions: keep"
    ):
        atomgraph.train(config(tmp_path, ACE, SQUARES, data=data), quiet=True)
    fit = SQUARES | {"contradictions": "keep"}
    config_kept = config(tmp_path, ACE, fit, data=data, output={"folder": str(tmp_path / "kept"), "report": False})
    atomgraph.train(config_kept, quiet=True)


def test_a_problem_with_fewer_observations_than_weights_is_explained(tmp_path):
    large = ACE | {"n_max": [10, 4, 2], "l_max": [0, 3, 2]}
    few = {"valid": None, "test": None, "train": f"{tiny(tmp_path)['data']['train']}@:1"}
    fit = SQUARES | {"solver": "plain", "sigma": {"forces": None, "virial": None}}
    with pytest.raises(FittingError, match=r"the data alone determine 1 of \d+ unknowns from 1 observations.*Ways out"):
        atomgraph.train(config(tmp_path, large, fit, data=few), quiet=True)


def test_more_sparse_points_than_environments_are_those_that_differ(tmp_path, capsys):
    """A configuration with many points fits a small set, too."""
    potential, metrics = atomgraph.train(config(tmp_path, GAP | {"n_points": 5000}, PROCESS))
    assert re.search(r"\d+ sparse points for environments of Ar among \d+, not 5000", capsys.readouterr().out)
    facts = metrics["training"]
    used = int((potential.model.branches[0].readouts[0].points != 0).any(dim=2).sum())
    assert 0 < used < 200 and used <= facts["unknowns"] <= used + 5 and facts["rank"] <= facts["unknowns"]


def test_a_fit_whose_terms_cancel_says_what_they_cost_and_refuses_float32(tmp_path, monkeypatch):
    """Gaussians that overlap thirty times, hardly held by a prior: what the demo's GAP was."""
    monkeypatch.setattr("atomgraph.fitting.kernel_points.MIN_VARIANCE", 1e-13)
    dependent = GAP | {"pairs": {"n_points": 20, "theta": 3.0}}
    _, metrics = atomgraph.train(config(tmp_path, dependent, PROCESS | {"jitter": 1e-13}), quiet=True)
    precision = metrics["training"]["precision"]
    assert (
        precision["cancellation"] > 1e4 and precision["digits"]["float64"] < 12 and precision["dtypes"] == ["float64"]
    )
    run = tmp_path / "run"
    for loading in (atomgraph.load, atomgraph.Calculator):
        with pytest.raises(ConfigError, match="for float64 only: its weights cancel each other"):
            loading(run, dtype="float32")
    assert main(["evaluate", str(run), str(tmp_path / "argon-9.xyz"), "--dtype", "float32"]) == 2
    potential = atomgraph.load(run)
    assert potential.dtypes == ("float64",)
    for narrow in (torch.float32, torch.float16):
        with pytest.raises(ConfigError, match="for float64 only"):
            potential.to(narrow)
    assert potential.to("cpu").double().model.dtype == torch.float64


def test_a_sparse_process_keeps_the_laws(tmp_path):
    """Forces against finite differences, symmetries and precision, as ``atomgraph verify`` asks for them."""
    potential, metrics = atomgraph.train(config(tmp_path, GAP | {"n_points": 40, "pairs": {}}, PROCESS), quiet=True)
    broken_laws = [law for law in laws(potential) if not law.passed]
    assert not broken_laws
    assert metrics["training"]["precision"]["digits"]["float64"] > 8


@pytest.mark.parametrize(
    ("model", "fit"),
    [
        ({"kind": "SNAP", "elements": "auto", "cutoff": 4.0, "twojmax": 2, "radii": {"Ar": 0.5}}, SQUARES),
        (ACE, SQUARES),
        (GAP | {"n_points": 5}, PROCESS),
        (GAP | {"n_points": 40, "pairs": {}}, PROCESS),
    ],
    ids=["SNAP", "ACE", "small GAP", "GAP with pairs"],
)
def test_fits_allowed_in_float32_keep_the_laws(tmp_path, model, fit):
    potential, _ = atomgraph.train(config(tmp_path, model, fit), quiet=True)
    if "float32" in potential.dtypes:
        assert not [law for law in laws(potential.to(torch.float32)) if not law.passed]
    else:
        precision = potential.metadata["precision"]
        assert (
            precision["digits"]["float32"] < FLOAT32_DIGITS
            or precision["float32_error"] > FLOAT32_ERROR
            or precision["float32_order"] > FLOAT32_ORDER
        )


def spoil(structures):
    """One energy that is no number."""
    structures[3].calc.results["energy"] = float("inf")


@pytest.mark.parametrize(
    ("model", "fit", "change", "said"),
    [
        (
            ACE | {"radial": "SBesel"},
            SQUARES,
            None,
            "error: model: unknown radial basis 'SBesel'; did you mean SBessel?",
        ),
        (GAP | {"basis": "gaus"}, PROCESS, None, "error: model: unknown radial basis of SOAP 'gaus'; did you mean"),
        (
            ACE | {"elements": ["Ne"]},
            SQUARES,
            None,
            "error: model.elements lacks Ar, which the training structures contain; add",
        ),
        (
            ACE,
            SQUARES,
            spoil,
            "broken.xyz, frame 3: energy holds NaN or infinite numbers; remove the label or the structure",
        ),
        (
            GAP,
            PROCESS,
            contradict,
            "are equal structures, but their energies differ by 3 eV/atom; remove the structure with the wrong label, or",
        ),
    ],
)
def test_errors_of_the_user_end_in_one_line(tmp_path, capsys, model, fit, change, said):
    path = tmp_path / "run.yaml"
    data = broken(tmp_path, change or (lambda structures: None))
    path.write_text(yaml.safe_dump(config(tmp_path, model, fit, data=data)))
    assert main(["train", str(path)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"kind": "least_squares", "slover": "ridge"}, "fit.slover: unknown key; did you mean solver?"),
        ({"kind": "least_squares", "sigma": {"energy": -1.0}}, "fit.sigma.energy should be more than 0"),
        ({"kind": "sparse_gp", "points": {"method": "curr"}}, "did you mean cur?"),
        ({"kind": "sparse_gp", "max_epochs": 3}, "fit.max_epochs: unknown key"),
    ],
)
def test_typing_errors_are_named(tmp_path, fit, said):
    with pytest.raises(ConfigError) as caught:
        atomgraph.train(config(tmp_path, ACE, fit), quiet=True)
    assert said in str(caught.value)


def test_smoothness_prior_requires_degrees(tmp_path):
    snap = {"kind": "SNAP", "elements": "auto", "cutoff": 4.0, "twojmax": 2}
    with pytest.raises(FittingError, match=r"a smoothness prior needs a featurizer with degrees.*prior: isotropic"):
        atomgraph.train(config(tmp_path, snap, SQUARES | {"prior": "smoothness"}), quiet=True)


def test_required_label_that_is_missing_ends_the_run(tmp_path):
    def unstressed(structures):
        for atoms in structures:
            atoms.calc.results.pop("stress", None)

    data = broken(tmp_path, unstressed)
    with pytest.raises(DataError, match="stress"):
        atomgraph.train(config(tmp_path, ACE, SQUARES | {"sigma": {"virial": 0.02}}, data=data), quiet=True)


def test_closed_form_imports_neither_lightning_nor_matplotlib():
    code = (
        "import sys, atomgraph.runs, atomgraph.runs.fits.closed_form\n"
        "print(sorted({'lightning', 'matplotlib', 'torchmetrics'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("model", "kind"), [(ACE, "least_squares"), (GAP, "sparse_gp")], ids=["ACE", "GAP"])
def test_linear_models_get_a_hint_of_the_closed_form(model, kind):
    potential = Potential(build_model(resolve_spec(model, ["Ar"])))
    assert f"fit: {{kind: {kind}}} solves for them in closed form" in closed_form_hint(potential)


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "GCN", "elements": ["Ar"], "cutoff": 4.0},
        {"kind": "MACE", "elements": ["Ar"], "cutoff": 4.0, "hidden_irreps": "4x0e+4x1o"},
        {"kind": "BehlerParrinello", "elements": ["Ar"], "cutoff": 4.0},
    ],
    ids=["GCN", "MACE", "BehlerParrinello"],
)
def test_nonlinear_models_get_no_hint(model):
    assert closed_form_hint(Potential(build_model(resolve_spec(model, ["Ar"])))) == ""


def test_a_fit_that_the_data_do_not_determine_once_printed_condition_number_inf(tmp_path):
    facts = {"rows": 9, "rank": 3, "unknowns": 5, "effective_parameters": 2.0, "rms_of_weighted_residuals": 1.0}
    line = describe_solution(ClosedFormResult(None, None, facts | {"condition_number": float("inf")}))
    assert "the data alone do not determine all weights" in line and "number inf," not in line


def test_gap_once_counted_requested_points_as_fitted(tmp_path, capsys):
    atomgraph.train(config(tmp_path, GAP | {"n_points": 100}, PROCESS))
    assert "GAP for Ar: weights of sparse points, which are selected next" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "run")]) == 0
    assert re.search(r"parameters +1\d fitted of 105\n", capsys.readouterr().out)


def test_the_law_of_float32_tries_a_potential_that_refuses_it(tmp_path):
    """The refusal also refused the copy that the law compares with."""
    potential, _ = atomgraph.train(config(tmp_path, GAP | {"n_points": 5}, PROCESS), quiet=True)
    potential.metadata["precision"]["dtypes"] = ["float64"]
    by_name = {law.name: law for law in laws(potential)}
    assert by_name["float32 is refused"].passed and 0 < by_name["float32 is refused"].value < 1
