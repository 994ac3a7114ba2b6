"""Every kind of file that is read: how a small good one is made, how it is read, and in which ways it is damaged.

A new reader is one more entry of ``KINDS``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import ase
import numpy as np
import torch
from damage import mutations
from damage.mutations import BYTES, TEXT, header_changed, tensors_changed

Way = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """make: writes a good example into a folder, and gives the file that is opened and all files that may be damaged.

    read: opens it; its own errors and nothing else may come out.  ways: of damaging the content of a file.
    """

    make: Callable[[Path], tuple[Path, Sequence[Path]]]
    read: Callable[[Path], object]
    ways: Sequence[Way] = BYTES


def _potential(path: Path, units: str | None = None) -> object:
    """Open a potential; one that opens also predicts a pair of its atoms."""
    import atomgraph

    potential = atomgraph.load(path, units=units)
    if potential.head is None:
        potential.head = potential.heads[0]
    symbols = [potential.elements[0], potential.elements[-1]]
    return potential.predict([ase.Atoms(symbols, [[0, 0, 0], [0, 0.3, 2.1]])], stress=False)


def _potential_with_units(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _potential(path, "eV/Å")


def _native(path: Path) -> tuple[Path, list[Path]]:
    from atomgraph import Potential, models

    file = path / "a.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = models.MACE(["H", "O"], 4.0, hidden_irreps="2x0e+2x1o", l_max=2, order=2, layer={"radial_hidden": [4]})
    Potential(model, {"data": {"files": ["a.xyz"]}}).save(file)
    return file, [file]


def _native_without_checksum(path: Path) -> tuple[Path, list[Path]]:
    import json

    import safetensors.torch

    from atomgraph.formats import native

    file, _ = _native(path)
    header = native.read_header(file)
    header["version"] = 1
    del header["sha256"]
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"atomgraph": json.dumps(header)})
    return file, [file]


def _mace(path: Path) -> tuple[Path, list[Path]]:
    from helpers import mace_files

    file = path / "a.model"
    file.write_bytes(mace_files.saved(mace_files.small()))
    return file, [file]


def _foreign_checkpoint(kind: str) -> Callable[[Path], tuple[Path, list[Path]]]:
    """A checkpoint of SevenNet, nequip or nequip-allegro."""

    def make(path: Path) -> tuple[Path, list[Path]]:
        from helpers import nequip_files

        contents = {
            "sevennet": nequip_files.sevennet_content,
            "nequip": lambda: nequip_files.nequip_content(nequip_files.NEQUIP, averaged=True),
            "allegro": lambda: nequip_files.nequip_content(nequip_files.ALLEGRO),
        }
        file = path / "a.ckpt"
        file.write_bytes(nequip_files.saved(contents[kind]()))
        return file, [file]

    return make


def _nequip_package(kind: str) -> Callable[[Path], tuple[Path, list[Path]]]:
    """A package of nequip with a NequIP or an Allegro."""

    def make(path: Path) -> tuple[Path, list[Path]]:
        from helpers import nequip_packages

        file = path / "a.nequip.zip"
        file.write_bytes(getattr(nequip_packages, f"{kind}_package")())
        return file, [file]

    return make


def _schnetpack(path: Path) -> tuple[Path, list[Path]]:
    from helpers import schnetpack_files

    file = path / "best_model"
    file.write_bytes(schnetpack_files.saved(schnetpack_files.small()))
    return file, [file]


def _schnetpack_checkpoint(path: Path) -> tuple[Path, list[Path]]:
    from helpers import schnetpack_files

    from atomgraph.models import PaiNN

    file = path / "best.ckpt"
    file.write_bytes(schnetpack_files.saved(schnetpack_files.small(PaiNN), kind="checkpoint"))
    return file, [file]


def _mace_mutated(content: bytes, random: Random) -> bytes:
    from helpers.mace_mutations import mutated

    try:
        return mutated(content, random.randrange(10**9))
    except StopIteration:  # a record was lost before
        return content[:-1]


def _deep_potential(suffix: str) -> Callable[[Path], tuple[Path, list[Path]]]:
    """A small model of deepmd-kit in the format of the suffix."""

    def make(path: Path) -> tuple[Path, list[Path]]:
        from helpers import deepmd_files

        file = deepmd_files.WRITERS[suffix](path / f"a{suffix}")
        return file, [file]

    return make


def _ace(path: Path) -> tuple[Path, list[Path]]:
    from formats.test_ace_yaml import TEXT as ALLOY

    file = path / "a.yaml"
    file.write_text(ALLOY)
    return file, [file]


def _gap(path: Path) -> tuple[Path, list[Path]]:
    from formats.test_gap import written

    file = written(path)
    text = file.read_text()  # without the checksums of its sparse files, so that damage to them is read
    file.write_text(mutations.re.sub(r'sparseX_md5sum="\w+"', "", text))
    return file, [file, *sorted(path.glob("*.sparseX.*"))]


def _snap(path: Path) -> tuple[Path, list[Path]]:
    from formats.test_snap import COEFFICIENTS, PARAMETERS

    files = path / "a.snapcoeff", path / "a.snapparam"
    files[0].write_text(COEFFICIENTS)
    files[1].write_text(PARAMETERS)
    return files[0], list(files)


def frames() -> list[ase.Atoms]:
    from ase.build import bulk

    return [bulk("Si", cubic=True), bulk("Cu")]


def _cache(path: Path) -> tuple[Path, list[Path]]:
    from atomgraph.data import build_graphs

    build_graphs(frames(), 3.0, cache=path)
    (file,) = path.iterdir()
    return file, [file]


def _read_cache(path: Path) -> object:
    """Damaged or not, the graphs that come are the right ones."""
    from atomgraph.data import build_graphs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graphs = build_graphs(frames(), 3.0, cache=path.parent)
    for graph, right in zip(graphs, build_graphs(frames(), 3.0), strict=True):
        if not all(torch.equal(graph[name], right[name]) for name in ("pos", "atomic_numbers", "cell")):
            raise AssertionError("graphs of other atoms came out of the cache")
    return graphs


def _state() -> dict[str, Any]:
    return {
        "epoch": 3,
        "global_step": 12,
        "state_dict": {"potential.w": torch.arange(40.0).reshape(8, 5), "potential.b": torch.ones(3)},
        "callbacks": {"Checkpoints": {"best": 0.1, "identity": {"data": "abc"}}},
        "optimizer_states": [
            {"state": {0: {"exp_avg": torch.zeros(8, 5)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
        ],
        "loops": {"fit_loop": {}},
        "lr_schedulers": [],
    }


def _checkpoint(path: Path) -> tuple[Path, list[Path]]:
    from atomgraph.training.checkpoint_file import CheckpointFile

    file = path / "last.ckpt"
    CheckpointFile().save_checkpoint(_state(), file)
    return file, [file]


def _checkpoint_without_checksum(path: Path) -> tuple[Path, list[Path]]:
    torch.save(_state(), path / "last.ckpt")
    return path / "last.ckpt", [path / "last.ckpt"]


def _read_checkpoint(path: Path) -> object:
    from atomgraph.training.checkpoint_content import check_entries, check_weights
    from atomgraph.training.checkpoint_file import read_checkpoint

    content = read_checkpoint(path)
    check_entries(path, content)
    check_weights(path, content["state_dict"], _state()["state_dict"])
    return content


def _zip_changed(content: bytes, random: Random) -> bytes:
    """Records of a zip archive damaged behind right checksums of the zip."""
    from helpers.mace_mutations import archive, records

    parts = records(content)
    for _ in range(random.choice((1, 2))):
        name = random.choice(list(parts))
        if random.random() < 0.15:
            del parts[name]
            break
        parts[name] = random.choice(BYTES)(parts[name] or b"\0", random)
    return archive(parts)


def _table(path: Path) -> tuple[Path, list[Path]]:
    (path / "metrics.csv").write_text("epoch,train_loss,seconds\n1,0.5,0.25\n2,0.25,0.5\n3,,0.75\n")
    return path / "metrics.csv", [path / "metrics.csv"]


def _read_table(path: Path) -> object:
    from atomgraph.training.csv_table import read_table

    return [int(row["epoch"]) for row in read_table(path) if "epoch" in row]


def _xyz(path: Path) -> tuple[Path, list[Path]]:
    import ase.io
    from ase.calculators.singlepoint import SinglePointCalculator

    structures = frames()
    for atoms in structures:
        atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=np.full((len(atoms), 3), 0.1), stress=np.ones(6))
    ase.io.write(path / "a.xyz", structures, format="extxyz")
    return path / "a.xyz", [path / "a.xyz"]


def _read_structures(path: Path, types: str | None = None) -> object:
    from atomgraph.data import read

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path, types=types)


def _read_types(path: Path) -> object:
    return _read_structures(path, "Cu Au")


def _packed(path: Path) -> tuple[Path, list[Path]]:
    import gzip

    file, _ = _xyz(path)
    packed = path / "a.xyz.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    return packed, [packed]


def _of_text(name: str, module: str, constant: str) -> Callable[[Path], tuple[Path, list[Path]]]:
    """A file with the text that a module of the tests holds."""

    def make(path: Path) -> tuple[Path, list[Path]]:
        (path / name).write_text(getattr(import_module(module), constant))
        return path / name, [path / name]

    return make


def _arrays(path: Path) -> tuple[Path, list[Path]]:
    from data.formats.test_foreign import rmd17

    file, _ = rmd17(path)
    return file, [file]


def _deepmd(path: Path) -> tuple[Path, list[Path]]:
    from data.formats.test_foreign import deepmd

    folder = deepmd(path)
    return folder, sorted(file for file in folder.rglob("*") if file.is_file())


def _hdf5(path: Path) -> tuple[Path, list[Path]]:
    import h5py

    with h5py.File(path / "ani.h5", "w") as file:
        group = file.create_group("gdb11_s01/H2")
        group["species"] = np.array([b"H", b"H"])
        group["coordinates"] = np.array([[[0, 0, 0], [0, 0, 0.74]], [[0, 0, 0], [0, 0, 0.8]]])
        group["energies"] = np.array([-1.0, -2.0])
    return path / "ani.h5", [path / "ani.h5"]


def _config(path: Path) -> tuple[Path, list[Path]]:
    file = path / "run.yaml"
    file.write_text((Path(__file__).parents[2] / "configs" / "mace.yaml").read_text())
    return file, [file]


def _read_config(path: Path) -> object:
    from atomgraph.config import read_config

    return read_config(path, [])


def _partial(path: Path) -> tuple[Path, list[Path]]:
    from helpers import tiny_structures as tiny

    from atomgraph.cli.partial_results import PartialResults

    target = path / "out.xyz"
    with closing(PartialResults(target, {}, tiny.structures()[:4])) as partial:
        partial.resume()
        for result in tiny.potential().predict(tiny.structures()[:4]):
            partial.add(result)
        partial.flush()
    return target, [partial.path]


def _read_partial(path: Path) -> object:
    from helpers import tiny_structures as tiny

    from atomgraph.cli.partial_results import PartialResults

    with closing(PartialResults(path, {}, tiny.structures()[:4])) as partial:
        partial.resume()
        return partial.done


_FOREIGN = "data.formats.test_foreign"
KINDS: dict[str, Kind] = {
    "native": Kind(_native, _potential, (*BYTES, header_changed, header_changed, tensors_changed)),
    "native_version_1": Kind(_native_without_checksum, _potential, (*BYTES, header_changed, header_changed)),
    "mace": Kind(_mace, _potential, (_mace_mutated,)),
    "sevennet": Kind(_foreign_checkpoint("sevennet"), _potential, (_mace_mutated,)),
    "nequip": Kind(_foreign_checkpoint("nequip"), _potential, (_mace_mutated,)),
    "allegro": Kind(_foreign_checkpoint("allegro"), _potential, (_mace_mutated,)),
    "nequip_package": Kind(_nequip_package("nequip"), _potential, (_mace_mutated, _zip_changed)),
    "allegro_package": Kind(_nequip_package("allegro"), _potential, (_mace_mutated, _zip_changed)),
    "schnetpack": Kind(_schnetpack, _potential_with_units, (_mace_mutated,)),
    "schnetpack_checkpoint": Kind(_schnetpack_checkpoint, _potential_with_units, (_mace_mutated,)),
    "ace": Kind(_ace, _potential, TEXT),
    "gap": Kind(_gap, _potential, TEXT),
    "snap": Kind(_snap, _potential, TEXT),
    "cache": Kind(_cache, _read_cache, (*BYTES, header_changed, tensors_changed)),
    "checkpoint": Kind(_checkpoint, _read_checkpoint, (*BYTES, _zip_changed)),
    "checkpoint_version_1": Kind(_checkpoint_without_checksum, _read_checkpoint, (*BYTES, *[_zip_changed] * 4)),
    "metrics_csv": Kind(_table, _read_table, TEXT),
    "config": Kind(_config, _read_config, TEXT),
    "partial": Kind(_partial, _read_partial),
    "xyz": Kind(_xyz, _read_structures, TEXT),
    "xyz_gz": Kind(_packed, _read_structures),
    "n2p2": Kind(_of_text("input.data", _FOREIGN, "INPUT_DATA"), _read_structures, TEXT),
    "mlip_cfg": Kind(_of_text("a.cfg", "data.formats.test_mlip", "CFG"), _read_types, TEXT),
    "poscar": Kind(_of_text("POSCAR", "data.formats.test_element_names", "POSCAR"), _read_types, TEXT),
    "vasprun": Kind(_of_text("vasprun.xml", "data.formats.test_renamed", "VASPRUN"), _read_structures, TEXT),
    "ml_ab": Kind(_of_text("ML_AB", _FOREIGN, "ML_AB"), _read_structures, TEXT),
    "qm9": Kind(_of_text("q.xyz", _FOREIGN, "QM9"), _read_structures, TEXT),
    "lammps_dump": Kind(_of_text("a.lammpstrj", "data.formats.test_lammps", "DUMP"), _read_types, TEXT),
    "lammps_data": Kind(_of_text("a.data", "data.formats.test_lammps", "DATA"), _read_types, TEXT),
    "rmd17_npz": Kind(_arrays, _read_structures, (*BYTES, _zip_changed)),
    "deepmd_npy": Kind(_deepmd, _read_structures, (*BYTES, mutations.words_changed)),
    "outcar": Kind(_of_text("OUTCAR", "data.formats.test_vasp", "OUTCAR"), _read_structures, TEXT),
}
KINDS |= {
    "deep_potential_yaml": Kind(_deep_potential(".yaml"), _potential, TEXT),
    "deep_potential_pt": Kind(_deep_potential(".pt"), _potential, (_mace_mutated,)),
    "deep_potential_pth": Kind(_deep_potential(".pth"), _potential, (_mace_mutated,)),
    "deep_potential_pb": Kind(_deep_potential(".pb"), _potential, BYTES),
}
if find_spec("h5py") is not None:
    KINDS["deep_potential_dp"] = Kind(_deep_potential(".dp"), _potential)
    KINDS["ani_h5"] = Kind(_hdf5, _read_structures)
