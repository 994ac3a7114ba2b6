"""Packages of nequip are read as data: equal to checkpoints with the same weights, unsupported ones refused with advice."""

import ase
import numpy as np
import pytest
import torch
from helpers import nequip_files, nequip_packages

import atomgraph
from atomgraph.errors import FormatError

WATER = ase.Atoms("OHHO", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [1.3, 1.2, 0.9]])


@pytest.fixture
def load(tmp_path):
    def load_content(content, name="a.nequip.zip"):
        (tmp_path / name).write_bytes(content)
        return atomgraph.load(tmp_path / name)

    return load_content


def changed(change):
    return nequip_packages.nequip_package(change=change)


@pytest.mark.parametrize("kind", ["nequip", "allegro"])
def test_package_gives_the_numbers_of_a_checkpoint(load, kind):
    package = load(getattr(nequip_packages, f"{kind}_package")())
    config = {"nequip": nequip_files.NEQUIP, "allegro": nequip_files.ALLEGRO}[kind]
    checkpoint = load(nequip_files.saved(nequip_files.nequip_content(config)), "a.ckpt")
    assert package.metadata["origin"]["format"] == "nequip package" and package.elements == ["H", "O"]
    ours, theirs = (potential.predict([WATER])[0] for potential in (package, checkpoint))
    assert ours["energy"] == pytest.approx(theirs["energy"], abs=1e-13)
    assert np.abs(ours["forces"] - theirs["forces"]).max() < 1e-13 < np.abs(ours["forces"]).max()


def test_constants_come_from_the_modules(load):
    def change(build):
        build.module("bessel_encode.cutoff").p = 4.0
        build.module("layer0_convnet.conv.avg_num_neighbors_norm").norm_const.fill_(0.5)

    layer = load(changed(change)).model.branches[0].layers[0]
    assert layer.radial.p == 4.0 and float(layer.neighbours.number) == pytest.approx(4.0)


def test_pair_cutoffs_and_repulsion_of_a_package(load):
    def change(build):
        edges = build.module("edge_norm")
        edges._per_edge_type = True
        edges._rmax_recip = torch.tensor([1 / 2.5, 1 / 3.0, 1 / 3.5, 1 / 4.0], dtype=torch.float64)
        pair = build.module("pair_potential")
        pair.register_buffer("_qqr2exesquare", torch.tensor(0.5 * 14.399645, dtype=torch.float64))
        pair.register_buffer("atomic_numbers", torch.tensor([1, 8]))
        build.module("pair_potential.cutoff").p = 8.0

    model = load(changed(change)).model
    assert model.baseline.repulsion.p == 8.0
    table = model.branches[0].layers[0].radial.pair_cutoffs.table
    assert torch.allclose(table, torch.tensor([[2.5, 3.0], [3.5, 4.0]], dtype=torch.float64))


@pytest.mark.parametrize("version", [0, 3, "new"])
def test_other_versions_of_the_format_are_named(load, version):
    with pytest.raises(FormatError, match=f"version {version!r}, but versions 1 and 2 are read"):
        load(nequip_packages.nequip_package(version=version))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: setattr(b.module("factor"), "factor", 1.0), "2π/r_max²"),
        (lambda b: b.module("layer0_convnet.equivariant_nonlin.acts").__setattr__("f", torch.relu), "of a gate"),
        (lambda b: setattr(b.module("layer0_convnet.conv.edge_mlp"), "dims", [3, 5, 6, 8]), "equal widths"),
        (lambda b: setattr(b.module("layer0_convnet.conv.edge_mlp.mlp"), "1", torch.nn.ReLU()), "radial network"),
        (lambda b: delattr(b.module("edge_norm"), "r_max"), "r_max"),
        (lambda b: b.module("layer0_convnet")._modules.pop("conv"), "lacks the part conv"),
        (lambda b: b.root.add_module("second", torch.nn.Identity()), "one model, but has sole_model, second"),
        (lambda b: b.model._modules["model"]._modules["func"]._modules.pop("layer0_convnet"), "of its model"),
    ],
)
def test_unsupported_packages_are_named(load, change, message):
    with pytest.raises(FormatError, match=message):
        load(changed(change))


def test_allegro_package_without_its_arguments_is_named(load):
    with pytest.raises(FormatError, match="does not contain the arguments of its model"):
        load(nequip_packages.allegro_package("training_module: {model: {_target_: mine.Model}}"))
    with pytest.raises(FormatError, match=r"config\.yaml of the package is damaged"):
        load(nequip_packages.allegro_package("{"))


def test_sources_and_pickles_of_a_package_are_not_executed(load, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (__import__("os").system, (f"touch {tmp_path}/executed",))

    with pytest.raises(FormatError):
        load(changed(lambda build: setattr(build.module("edge_norm"), "r_max", Hostile())))
    assert not (tmp_path / "executed").exists()
