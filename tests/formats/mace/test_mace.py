"""MACE files: opened without executing anything, whole or refused with advice."""

import codecs
import contextlib
import io
import os
import pickle
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mace_files import saved, small
from helpers.mace_mutations import archive, mutated, records

import atomgraph
from atomgraph.errors import FormatError
from atomgraph.formats.pickled.decode import ValueDecoder
from atomgraph.formats.pickled.safe_pickle import PickledObject
from atomgraph.models import MACE
from atomgraph.potential import Potential
from atomgraph.testing.graphs import make_graph


def water():
    from ase.build import molecule

    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    return atoms


def written(folder, content, name="some.model") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def same(first, second, atoms, tolerance=1e-12):
    for name, value in first.predict([atoms])[0].items():
        np.testing.assert_allclose(value, second.predict([atoms])[0][name], rtol=tolerance, atol=tolerance)


def test_a_file_gives_the_model_that_it_was_made_of(tmp_path):
    model = small()
    result = atomgraph.load(written(tmp_path, saved(model)))
    assert isinstance(result.model, MACE) and result.elements == ["H", "O", "Si"] and result.cutoff == 3.5
    assert result.model.dtype == torch.float64
    same(result, Potential(model).eval(), water())


def test_a_file_of_float32_opens_in_float32_and_evaluates_in_float64(tmp_path):
    model = small().float()
    path = written(tmp_path, saved(model, dtype=torch.float32))
    assert atomgraph.load(path).model.dtype == torch.float32
    double = atomgraph.load(path, dtype="float64")
    same(double, Potential(model.double()).eval(), water(), 1e-6)


def test_what_was_opened_is_saved_and_opened_again(tmp_path):
    opened = atomgraph.load(written(tmp_path, saved(small().float(), dtype=torch.float32)), dtype="float64")
    opened.save(tmp_path / "again.safetensors")
    same(opened, atomgraph.load(tmp_path / "again.safetensors"), water(), 1e-14)


class Hostile:
    """Runs a command when it is unpickled by anything that executes pickles."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec], ids=lambda f: f.__name__)
def test_a_hostile_file_reads_and_nothing_runs(tmp_path, function):
    sentinel = tmp_path / "it-ran"
    command = f"touch {sentinel}" if function is os.system else f"open({str(sentinel)!r}, 'w')"

    def plant(root, make):
        root.note = Hostile(function, command)
        root.heads = ["Default"]

    content = saved(small(), plant)
    pickle.loads(pickle.dumps(Hostile(function, command)))
    assert sentinel.exists()  # what would have happened
    sentinel.unlink()
    same(atomgraph.load(written(tmp_path, content)), Potential(small()).eval(), water())
    assert not sentinel.exists()


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_refused_or_evaluated(tmp_path, seed):
    path = written(tmp_path, mutated(saved(small()), seed))
    try:
        potential = atomgraph.load(path)
    except FormatError as error:
        assert str(path) in str(error)
        return
    potential.head = potential.heads[0]
    with contextlib.suppress(atomgraph.errors.AtomgraphError):
        potential.predict([water()])


def test_unknown_head_lists_the_heads(tmp_path):
    path = written(tmp_path, saved(small()))
    with pytest.raises(FormatError, match="has no head 'pbe'; it has default"):
        atomgraph.load(path, head="pbe")


def test_an_element_that_is_not_in_the_file_is_named(tmp_path):
    potential = atomgraph.load(written(tmp_path, saved(small(["Si", "O"]))))
    with pytest.raises(atomgraph.errors.GraphError, match="unknown elements H; the elements of this model are Si, O"):
        potential.predict([water()])


def refused(tmp_path, content, *words, name="some.model"):
    path = written(tmp_path, content, name)
    with pytest.raises(FormatError) as caught:
        atomgraph.load(path)
    for word in (*words, str(path)):
        assert word in str(caught.value), str(caught.value)


def stored(thing, **options) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


class TestRefusals:
    """Every look-alike is named, with what to do instead."""

    def test_a_checkpoint_of_training(self, tmp_path):
        content = stored({"model": {"a": torch.ones(1)}, "optimizer": {}, "lr_scheduler": {}})
        refused(tmp_path, content, "checkpoint", "without the architecture", ".model file", name="x.pt")

    def test_a_state_dict(self, tmp_path):
        refused(tmp_path, stored({"weight": torch.ones(1)}), "a dictionary", "holds the whole model")

    def test_another_module(self, tmp_path):
        refused(tmp_path, stored(torch.nn.Linear(1, 1)), "torch.nn.modules.linear.Linear", "another program")

    def test_torchscript(self, tmp_path):
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
        refused(tmp_path, file.getvalue(), "TorchScript", "the .model of MACE")

    def test_the_container_of_old_torch(self, tmp_path):
        content = stored({"a": torch.ones(1)}, _use_new_zipfile_serialization=False)
        refused(tmp_path, content, "before 1.6", "torch.save")

    @pytest.mark.parametrize("kind", ["EnergyDipolesMACE", "MACELES", "PolarMACE", "AtomicDipolesMACE", "BOTNet"])
    def test_other_classes_of_mace(self, tmp_path, kind):
        def change(root, make):
            root.__class__ = type(make("mace.modules.models", kind))

        refused(tmp_path, saved(small(), change), kind, "which is not read")

    def test_accelerated_parts(self, tmp_path):
        def change(root, make):
            root.interactions.add_module("fast", make("cuequivariance_torch.primitives", "Linear"))

        refused(tmp_path, saved(small(), change), "cuequivariance_torch", "mace_cueq_to_e3nn")

    def test_the_old_soft_transform(self, tmp_path):
        def change(root, make):
            part = make("mace.modules.radial", "SoftTransform")
            part.register_buffer("a", torch.ones(()))
            part.register_buffer("covalent_radii", torch.ones(119))
            root.radial_embedding.add_module("distance_transform", part)

        refused(tmp_path, saved(small(), change), "Soft transform", "0.3.11")

    def test_an_unknown_interaction(self, tmp_path):
        def change(root, make):
            root.interactions._modules["0"].__class__ = type(make("mace.modules.blocks", "MyInteractionBlock"))

        refused(tmp_path, saved(small(), change), "MyInteractionBlock", "RealAgnosticResidualInteractionBlock")

    def test_unsupported_parameters_are_refused(self, tmp_path):
        def change(root, make):
            root.products.extra = torch.nn.Parameter(torch.ones(3))

        refused(tmp_path, saved(small(), change), "products.extra", "does not support")

    def test_a_truncated_file(self, tmp_path):
        refused(tmp_path, saved(small())[:-300], "cut short or damaged", "download it again")

    def test_a_flipped_bit(self, tmp_path):
        content = bytearray(saved(small()))
        numbers = max(records(bytes(content)).values(), key=len)
        content[content.index(numbers) + 100] ^= 1
        refused(tmp_path, bytes(content), "damaged")

    def test_a_compressed_record(self, tmp_path):
        parts = records(saved(small()))
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for name, part in parts.items():
                target.writestr(name, part)
        refused(tmp_path, file.getvalue(), "compressed")

    def test_a_zip_of_something_else(self, tmp_path):
        refused(tmp_path, archive({"a.txt": b"hello"}), "not one that torch.save wrote")

    def test_a_text_of_the_same_suffix(self, tmp_path):
        refused(tmp_path, b"potential of another program\n", "is not a potential of a known format")


@pytest.mark.parametrize(
    "steps, words",
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02]q\x00h\x05.", "damaged"),
        (b"\x80\x02r\xff\xff\xff\x7f.", "instructions that no saved module needs"),
        (b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00lsR.", "damaged"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "not the storage of a tensor"),
        (b"(ios\nsystem\n.", "INST"),
        (b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.", "instructions that no saved module needs"),
        (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "no MACE model"),
        (b"\x80\x02})" + b"2\x86" * 60 + b"Ns.", "nests tuples that no saved module needs"),
    ],
)
def test_a_pickle_with_other_instructions_is_refused(tmp_path, steps, words):
    parts = records(saved(small()))
    name = next(name for name in parts if name.endswith("data.pkl"))
    refused(tmp_path, archive(parts | {name: steps}), words)


def _irreps(root, t, text):
    from e3nn import o3

    root.products._modules[str(t)].linear.irreps_out = o3.Irreps(text)


def test_odd_scalars_before_even_ones_are_named_as_not_supported(tmp_path):
    def change(root, make):  # what mace-torch makes of 2x0o+2x0e+2x1o: the first irreps are kept in the last layer
        _irreps(root, 0, "2x0o+2x0e+2x1o")
        _irreps(root, 1, "2x0o")

    content = saved(small(hidden_irreps="2x0e+2x0o+2x1o"), change)
    refused(tmp_path, content, "2x0o+2x0e+2x1o give 2x0o", "does not support this model", "(2x0e+2x0o+2x1o)")


@pytest.mark.parametrize("name", ["Irreps", "Instruction", "getattr"])
def test_text_that_grows_with_every_level_is_refused(name):
    built = type(
        "PickledObject", (PickledObject,), {"module": "builtins" if name == "getattr" else "e3nn.o3", "name": name}
    )
    value = "x" * 40_000
    for _ in range(20):
        value = built(value, value) if name == "getattr" else built((value,) * 4)
    with pytest.raises(FormatError, match=r"texts are longer|irreps of a part|nests values deeper"):
        ValueDecoder(lambda node: None)(value)


def test_a_circle_of_modules_ends(tmp_path):
    def change(root, make):
        root.interactions._modules["0"]._modules["again"] = root

    refused(tmp_path, saved(small(), change), "circle")


def test_a_tensor_that_reaches_outside_its_record_is_refused(tmp_path):
    parts = records(saved(small()))
    name = next(name for name in parts if name.endswith("/data/0"))
    refused(tmp_path, archive(parts | {name: parts[name][:4]}), "bytes")


def test_files_of_mace_torch_before_heads_have_one(tmp_path):
    def change(root, make):
        del root.heads
        del root.radial_embedding.apply_cutoff
        del root.products._modules["0"].use_agnostic_product

    potential = atomgraph.load(written(tmp_path, saved(small(), change)))
    assert potential.heads == ["Default"]
    same(potential, Potential(small()).eval(), water())


def test_fine_tuned_files_learn_their_bessel_functions(tmp_path):
    def change(root, make):
        basis = root.radial_embedding.bessel_fn
        places = basis.bessel_weights * 1.01
        del basis.bessel_weights
        basis.bessel_weights = torch.nn.Parameter(places)

    model = small()
    potential = atomgraph.load(written(tmp_path, saved(model, change)))
    assert any(name.endswith("places") for name, _ in potential.model.named_parameters())
    model.branches[0].layers[0].radial.places.mul_(1.01)
    same(potential, Potential(model).eval(), water())


@pytest.mark.parametrize("interaction", ["agnostic", "density_residual", ["density", "density_residual"]])
def test_interactions_come_through(tmp_path, interaction):
    model = small(interaction=interaction)
    same(atomgraph.load(written(tmp_path, saved(model, _with_density))), Potential(model).eval(), water())


def _with_density(root, make):
    for part in root.interactions._modules.values():
        if "Residual" not in type(part).__name__:
            root.products._modules["0"].use_sc = False


def test_graphs_are_built_with_the_files_cutoff(tmp_path):
    potential = atomgraph.load(written(tmp_path, saved(small())))
    assert potential(make_graph(water(), potential.cutoff))["energy"].shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mp0-medium", "mh1"])
def test_a_thousand_mutations_of_a_published_shape(tmp_path, name):
    """Nothing is imported, compiled, executed or started by any of them; each is refused with a message or evaluated."""
    from helpers.references import folder

    content, path = (folder() / "mace" / f"{name}.model").read_bytes(), tmp_path / "some.model"
    track, events = [False], []

    def watch(event, arguments):
        if track[0] and event in {"import", "exec", "compile", "os.system", "subprocess.Popen", "socket.connect"}:
            events.append(f"{event} {arguments[0]!s:.80}")

    for codec in ("cp437", "raw_unicode_escape"):  # what zipfile and pickletools read texts with
        codecs.lookup(codec)
    sys.addaudithook(watch)
    ended = {"refused": 0, "evaluated": 0}
    for seed in range(-1, 1000):
        path.write_bytes(content if seed < 0 else mutated(content, seed))
        track[0] = seed >= 0  # the first opening imports what opening needs
        start = time.process_time()
        try:
            potential = atomgraph.load(path)
            potential.head = potential.heads[0]
            with contextlib.suppress(atomgraph.errors.GraphError):
                potential.predict([water()])
            ended["evaluated"] += 1
        except FormatError:
            ended["refused"] += 1
        track[0] = False
        assert time.process_time() - start < 10, seed
    print(ended)
    assert not events
