"""Files of schnetpack 2: opened without executing anything, whole or refused with advice."""

import contextlib
import os
import warnings
from io import BytesIO

import ase
import numpy as np
import pytest
import torch
from ase.build import molecule
from helpers.mace_mutations import mutated
from helpers.schnetpack_files import saved, small

import atomgraph
from atomgraph.editing import add_elements, keep_elements
from atomgraph.errors import FormatError
from atomgraph.models import Baseline, PaiNN, SchNet
from atomgraph.nn.repulsion.softplus_zbl import SoftplusZBL
from atomgraph.potential import Potential
from atomgraph.units import ENERGY, LENGTH

ELEMENTS = ["H", "O", "Si"]
VARIANTS = {
    "schnet": (SchNet, {}),
    "filters": (SchNet, {"n_filters": 3, "readout_hidden": [4, 3], "readout_activation": "tanh"}),
    "shared": (SchNet, {"shared_interactions": True, "n_layers": 3}),
    "start": (SchNet, {"radial": {"n_radial": 5, "start": 0.3}}),
    "trained": (SchNet, {"radial": {"n_radial": 5, "start": 0.3, "separate_widths": True, "trainable": True}}),
    "centred": (SchNet, {"radial": {"n_radial": 5, "basis": "centred_gaussian"}}),
    "bessel": (SchNet, {"radial": {"n_radial": 5, "basis": "bessel", "prefactor": 1.0, "envelope": "exponential"}}),
    "mean": (SchNet, {"aggregation": "mean"}),
    "states": (SchNet, {"states": {"charge": 2, "spin": 1}}),
    "repulsion": (SchNet, {"baseline": Baseline(ELEMENTS, repulsion=SoftplusZBL(ELEMENTS, 2.5))}),
    "painn": (PaiNN, {}),
    "painn_shared": (PaiNN, {"shared_interactions": True, "shared_filters": True, "n_layers": 3, "epsilon": 1e-4}),
}


def atoms():
    result = molecule("H2O")
    result.rattle(0.05, seed=1)
    result.info.update(charge=-1, spin=2)
    return result


def written(folder, content, name="best_model"):
    path = folder / name
    path.write_bytes(content)
    return path


def same(first, second, tolerance=1e-12):
    for name, value in first.predict([atoms()])[0].items():
        np.testing.assert_allclose(value, second.predict([atoms()])[0][name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("variant", VARIANTS)
def test_file_gives_the_model_from_which_it_was_made(tmp_path, variant):
    kind, arguments = VARIANTS[variant]
    model = small(kind, **arguments)
    potential = atomgraph.load(written(tmp_path, saved(model)), units="eV/Å")
    assert isinstance(potential.model, kind) and potential.elements == ELEMENTS
    assert potential.model.dtype == torch.float64
    assert potential.model.arguments["shared_interactions"] == bool(arguments.get("shared_interactions"))
    same(potential, Potential(model).eval())
    potential.save(tmp_path / "again.safetensors")
    same(potential, atomgraph.load(tmp_path / "again.safetensors"), 1e-14)


@pytest.mark.parametrize("kind", ["task", "checkpoint"])
@pytest.mark.parametrize("variant", ["schnet", "painn"])
def test_task_and_checkpoint_give_the_same_model(tmp_path, kind, variant):
    model = small(VARIANTS[variant][0])
    potential = atomgraph.load(written(tmp_path, saved(model, kind=kind), "x.ckpt"), units="eV/Å")
    same(potential, Potential(model).eval())


def test_file_of_float32_gives_a_model_in_float32(tmp_path):
    path = written(tmp_path, saved(small(), dtype=torch.float32))
    assert atomgraph.load(path, units="eV/Å").model.dtype == torch.float32
    same(atomgraph.load(path, units="eV/Å", dtype="float64"), Potential(small()).eval(), 1e-6)


@pytest.mark.parametrize("variant", ["schnet", "bessel", "trained", "centred", "repulsion", "painn", "mean"])
def test_units_of_the_user_are_converted(tmp_path, variant):
    """A structure with lengths in Bohr has the energy in kcal/mol of the same structure with the same numbers in Å and eV."""
    kind, arguments = VARIANTS[variant]
    path = written(tmp_path, saved(small(kind, **arguments)))
    numbers = atomgraph.load(path, units="eV/Å")
    converted = atomgraph.load(path, units="kcal/mol/Bohr")
    assert converted.cutoff == pytest.approx(numbers.cutoff * LENGTH["Bohr"])
    scaled = atoms()
    scaled.positions *= LENGTH["Bohr"]
    (expected,), (result,) = numbers.predict([atoms()]), converted.predict([scaled])
    assert result["energy"] == pytest.approx(expected["energy"] * ENERGY["kcal/mol"], rel=1e-12)
    factor = ENERGY["kcal/mol"] / LENGTH["Bohr"]
    np.testing.assert_allclose(result["forces"], expected["forces"] * factor, rtol=1e-10, atol=1e-12)


def test_units_are_asked_for(tmp_path):
    with pytest.raises(FormatError, match="does not contain its units; state units="):
        atomgraph.load(written(tmp_path, saved(small())))


def _without_offsets(root, make):
    root.postprocessors = torch.nn.ModuleList([root.postprocessors[0]])


def test_elements_are_asked_for_without_offsets(tmp_path):
    path = written(tmp_path, saved(small(), _without_offsets))
    with pytest.raises(FormatError, match="does not contain its elements; state elements="):
        atomgraph.load(path, units="eV/Å")
    potential = atomgraph.load(path, elements=["O", "H"], units="eV/Å")
    assert potential.elements == ["O", "H"]
    model = small()
    model.baseline.e0.zero_()
    same(potential, Potential(model).eval())


def test_elements_without_offset_give_a_warning(tmp_path):
    path = written(tmp_path, saved(small()))
    with pytest.warns(UserWarning, match=r"no energy offset \(atomref\) for Au"):
        potential = atomgraph.load(path, elements=["H", "Au"], units="eV/Å")
    assert potential.elements == ["H", "Au"]


def test_offsets_that_are_switched_off_are_not_added(tmp_path):
    def change(root, make):
        root.postprocessors[1].add_atomrefs = False

    path = written(tmp_path, saved(small(), change))
    potential = atomgraph.load(path, units="eV/Å")
    assert potential.model.baseline.e0.tolist() == [[-0.5, -0.5, -0.5]]
    assert potential.elements == ELEMENTS  # from the table of offsets, although the offsets are not added

    def switch_off(root, make):
        root.do_postprocessing = False

    path = written(tmp_path, saved(small(), switch_off))
    with pytest.warns(UserWarning, match="do_postprocessing"):
        potential = atomgraph.load(path, units="eV/Å")
    assert not potential.model.baseline.e0.any()


def test_nuclear_embedding_becomes_a_table(tmp_path):
    """The table is the sum of the free vectors and of a linear map of the electron configuration."""

    def change(root, make):
        table = root.representation.embedding.weight.detach()
        part = make("schnetpack.nn.embedding", "NuclearEmbedding")
        part.register_buffer("electron_config", torch.rand(101, 23, dtype=torch.float64))
        part.config_linear = torch.nn.Linear(23, 4, bias=False).double()
        full = torch.cat([table, torch.zeros(1, 4, dtype=torch.float64)])
        mapped = part.electron_config @ part.config_linear.weight.detach().T
        part.element_embedding = torch.nn.Parameter(full - mapped)
        root.representation.embedding = part

    same(atomgraph.load(written(tmp_path, saved(small(), change)), units="eV/Å"), Potential(small()).eval())


def test_elements_of_an_opened_model_can_be_edited(tmp_path):
    for kind in (SchNet, PaiNN):
        potential = atomgraph.load(written(tmp_path, saved(small(kind))), units="eV/Å")
        same(keep_elements(potential, ["O", "H"]), potential)
        larger = add_elements(potential, {"S": "O"})
        sulfide = atoms()
        sulfide.symbols = ["S" if symbol == "O" else symbol for symbol in sulfide.symbols]
        same(larger, potential)
        assert larger.predict([sulfide])[0]["energy"] == pytest.approx(potential.predict([atoms()])[0]["energy"])


class Hostile:
    """Runs a command when it is unpickled by anything that executes pickles."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("kind", ["model", "task", "checkpoint"])
def test_hostile_file_reads_and_nothing_runs(tmp_path, kind):
    sentinel = tmp_path / "it-ran"

    def plant(root, make):
        root.note = Hostile(os.system, f"touch {sentinel}")
        root.representation.note = Hostile(eval, f"open({str(sentinel)!r}, 'w')")

    path = written(tmp_path, saved(small(), plant, kind=kind))
    same(atomgraph.load(path, units="eV/Å"), Potential(small()).eval())
    assert not sentinel.exists()


@pytest.mark.parametrize("seed", range(60))
def test_damaged_file_is_refused_or_evaluated(tmp_path, seed):
    kind = ("model", "task", "checkpoint")[seed % 3]
    path = written(tmp_path, mutated(saved(small(PaiNN if seed % 2 else SchNet), kind=kind), seed))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            potential = atomgraph.load(path, units="eV/Å")
    except FormatError as error:
        assert str(path) in str(error)
        return
    with contextlib.suppress(atomgraph.errors.AtomgraphError):
        potential.predict([ase.Atoms([potential.elements[0]] * 2, [[0, 0, 0], [0, 0.3, 1.1]])])


def refused(tmp_path, content, *words):
    path = written(tmp_path, content, "a_file")
    with pytest.raises(FormatError) as caught:
        atomgraph.load(path, elements=ELEMENTS, units="eV/Å")
    for word in (*words, str(path)):
        assert word in str(caught.value), str(caught.value)


def stored(value) -> bytes:
    file = BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _class(path, place="representation"):
    """Change that gives a part another class."""

    def change(root, make):
        part = root.get_submodule(place) if place else root
        part.__class__ = type(make(*path.rsplit(".", 1)))

    return change


REFUSED = {
    "representation": (_class("schnetpack.representation.so3net.SO3net"), ("SO3net", "SchNet and PaiNN")),
    "basis": (_class("schnetpack.nn.radial.MyRBF", "representation.radial_basis"), ("radial basis MyRBF",)),
    "cutoff": (_class("schnetpack.nn.cutoff.SwitchFunction", "representation.cutoff_fn"), ("SwitchFunction",)),
    "output": (_class("schnetpack.atomistic.atomwise.DipoleMoment", "output_modules.0"), ("DipoleMoment",)),
    "input": (_class("schnetpack.atomistic.fields.StaticExternalFields", "input_modules.0"), ("StaticExternalFields",)),
    "scale": (_class("schnetpack.transform.atomistic.ScaleProperty", "postprocessors.1"), ("ScaleProperty",)),
    "ancient": (_class("schnetpack.atomistic.model.AtomisticModel", ""), ("schnetpack 0.x or 1.x", "spkconvert")),
    "another": (_class("schnetpack.model.base.Other", ""), ("schnetpack.model.base.Other",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_parts_are_named(tmp_path, name):
    change, words = REFUSED[name]
    refused(tmp_path, saved(small(), change), *words)


def _activation(root, make):
    root.representation.interactions[0].f2out[0].activation = torch.nn.functional.relu


def _two_activations(root, make):
    root.representation.interactions[0].f2out[0].activation = torch.nn.functional.silu


def _mean_of_a_sum(root, make):
    root.postprocessors[1].is_extensive = False


def _no_repulsion_cutoff(root, make):
    root.output_modules[1].cutoff_fn = None


def test_unsupported_settings_are_named(tmp_path):
    refused(tmp_path, saved(small(), _activation), "relu", "atomgraph has")
    refused(tmp_path, saved(small(), _two_activations), "one activation function", "silu")
    refused(tmp_path, saved(small(), _mean_of_a_sum), "is_extensive: False")
    model = small(**VARIANTS["repulsion"][1])
    refused(tmp_path, saved(model, _no_repulsion_cutoff), "ZBLRepulsionEnergy", "cutoff function")


def test_weights_without_architecture_are_named(tmp_path):
    state = {"model.representation.embedding.weight": torch.ones(100, 4)}
    refused(tmp_path, stored({"state_dict": state, "hyper_parameters": {}}), "not the architecture", "best_model")
    refused(
        tmp_path, stored({"representation.embedding.weight": torch.ones(3)}), "without its architecture", "best_model"
    )
    old = {"representation.distance_expansion.offset": torch.ones(3)}
    refused(tmp_path, stored(old), "schnetpack 0.x or 1.x", "spkconvert")


def test_compiled_file_is_named(tmp_path):
    file = BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
    refused(tmp_path, file.getvalue(), "TorchScript", "best_model")
