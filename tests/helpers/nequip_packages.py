"""Packages of nequip (``.nequip.zip``) with random weights, made without nequip: modules of the same names."""

import io
import math
import zipfile
from typing import Any

import torch

from helpers.nequip_files import ALLEGRO, NEQUIP, nequip_tensors
from helpers.temporary_classes import temporary_classes

_KINDS = {  # last part of the name of a module: its class
    "edge_norm": "nequip.nn.embedding._edge.EdgeLengthNormalizer",
    "bessel_encode": "nequip.nn.embedding._edge.BesselEdgeLengthEncoding",
    "conv": "nequip.nn.interaction_block.InteractionBlock",
    "edge_mlp": "nequip.nn.mlp.ScalarMLPFunction",
    "mlp_module": "nequip.nn.mlp.ScalarMLPFunction",
    "per_type_energy_scale_shift": "nequip.nn.atomwise.PerTypeScaleShift",
    "pair_potential": "nequip.nn.pair_potential.ZBL",
}
_OTHER_KIND = "nequip.nn._graph_mixin.SequentialGraphNetwork"
_METADATA = "package_version_id: {}\nversions: {{nequip: 0.19.1}}\n"


class _Builder:
    """Makes modules of classes that exist for now, at dotted paths below a root."""

    def __init__(self, make: Any):
        self.make = make
        self.root = torch.nn.ModuleDict()
        self.model = self.root["sole_model"] = make("nequip.nn.graph_model", "GraphModel")

    def module(self, path: str, kind: str = _OTHER_KIND) -> torch.nn.Module:
        """Return the module at a path below ``model.func``; missing ones are made, the last one of the class ``kind``."""
        owner = self.model
        for name in ("model", "func", *path.split(".")):
            if name not in owner._modules:
                is_last = name == path.rpartition(".")[2]
                module, _, class_name = _KINDS.get(name, kind if is_last else _OTHER_KIND).rpartition(".")
                owner.add_module(name, self.make(module, class_name))
            owner = owner._modules[name]
        return owner


def nequip_package(config: dict[str, Any] | None = None, version: Any = 2, change: Any = None) -> bytes:
    """Return the bytes of a package with a NequIP.

    Args:
        config: Arguments of the builder beside ``nequip_files.NEQUIP``.
        version: Version of the package format in its metadata.
        change: Function of the builder of modules, called before saving.
    """
    config = {**NEQUIP, **(config or {})}
    with temporary_classes() as make:
        build = _Builder(make)
        _add_tensors(build, nequip_tensors(config))
        _add_constants(build, config)
        if change is not None:
            change(build)
        return _zipped(build.root, _METADATA.format(version), "training_module: {}\n")


def allegro_package(text: str | None = None) -> bytes:
    """Return the bytes of a package with an Allegro; ``text`` replaces its training configuration."""
    with temporary_classes() as make:
        build = _Builder(make)
        _add_tensors(build, nequip_tensors(ALLEGRO))
        if text is None:
            import yaml

            text = yaml.safe_dump({"training_module": {"model": ALLEGRO}})
        return _zipped(build.root, _METADATA.format(2), text)


def _add_tensors(build: _Builder, tensors: dict[str, torch.Tensor]) -> None:
    for name, value in tensors.items():
        path, _, last = name.rpartition(".")
        build.module(path).register_buffer(last, value)


def _add_constants(build: _Builder, config: dict[str, Any]) -> None:
    """Attributes of modules that nequip keeps in pickled modules only."""
    cutoff, n = config["r_max"], config["num_features"]
    build.model.model_dtype, build.model.type_names = config["model_dtype"], config["type_names"]
    edges = build.module("edge_norm")
    edges.r_max, edges._per_edge_type = cutoff, False
    build.module("factor", "nequip.nn.misc.ApplyFactor").factor = 2 * math.pi / cutoff**2
    build.module("spharm.sh")._lmax = config["l_max"]
    bessel = build.module("bessel_encode")
    bessel.num_bessels, bessel.trainable = config["num_bessels"], False
    build.module("bessel_encode.cutoff", "nequip.nn.embedding.cutoffs.PolynomialCutoff").p = config[
        "polynomial_cutoff_p"
    ]
    build.module("per_type_energy_scale_shift").type_names = config["type_names"]
    for t in range(config["num_layers"]):
        layer = build.module(f"layer{t}_convnet", "nequip.nn.convnetlayer.ConvNetLayer")
        layer.feature_irreps_hidden = f"{n}x0e" if t == config["num_layers"] - 1 else f"{n}x0e+{n}x1o"
        layer.resnet = False
        conv = build.module(f"layer{t}_convnet.conv")
        conv.use_sc = t > 0
        gate = build.module(f"layer{t}_convnet.equivariant_nonlin.acts", "nequip.nn.normalize2mom")
        gate.f = torch.nn.functional.silu
        norm = build.module(f"layer{t}_convnet.conv.avg_num_neighbors_norm", "nequip.nn.norm.AvgNumNeighborsNorm")
        norm.register_buffer("norm_const", torch.full((1, 1), config["avg_num_neighbors"] ** -0.5, dtype=torch.float64))
        mlp = build.module(f"layer{t}_convnet.conv.edge_mlp")
        mlp.dims, mlp.is_nonlinear = [config["num_bessels"], config["radial_mlp_width"], 2 * n], True
        mlp.mlp.add_module("1", torch.nn.SiLU())
        for child in ("0", "2"):
            _rename(build, mlp.mlp, child)
    readout = build.module("per_atom_energy_readout.mlp_module")
    readout.dims, readout.is_nonlinear = [n, 1], False
    _rename(build, readout.mlp, "0")


def _rename(build: _Builder, owner: torch.nn.Module, name: str) -> None:
    """Give a module of a perceptron the class of nequip's linear layers."""
    module = build.make("nequip.nn.mlp", "ScalarLinearLayer")
    for key, value in owner._modules[name]._buffers.items():
        module.register_buffer(key, value)
    owner._modules[name] = module


def _zipped(root: torch.nn.Module, metadata: str, config: str) -> bytes:
    """Return a zip archive with the records of torch.package, made from those of torch.save."""
    saved, target = io.BytesIO(), io.BytesIO()
    torch.save(root, saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(target, "w") as package:
        for name in source.namelist():
            record = source.read(name)
            _, _, place = name.partition("/")
            if place == "data.pkl":
                package.writestr("a/model/eager_model.pkl", record)
            elif place.startswith("data/"):
                package.writestr(f"a/.data/{place.removeprefix('data/')}.storage", record)
        package.writestr("a/byteorder", "little")
        package.writestr("a/.data/version", "6\n")
        package.writestr("a/model/package_metadata.txt", metadata)
        package.writestr("a/model/config.yaml", config)
        package.writestr("a/nequip/__init__.py", "raise RuntimeError('the sources of a package were imported')\n")
    return target.getvalue()
