"""Reads SNAP potentials of LAMMPS and FitSNAP: ``NAME.snapcoeff`` and ``NAME.snapparam``.

Units are LAMMPS's ``metal``, eV and Å. Energies are LAMMPS's to the last digits; what an input script adds beside the files
(``pair_style hybrid/overlay``, often a ZBL repulsion) is in neither of them, nor in the model.
Elements stand in the order of the coefficient file. Where they have channels of their own (``chemflag 1``, ``sinner``), LAMMPS
counts elements as ``pair_coeff`` lists them, and the files say nothing of it: list them there in the order of the file.
LAMMPS's forces with ``chemflag 1`` are the gradient of its energy only if components that are always equal (of the same three
functions in another order) have equal coefficients. Ours always are; files written here have them equal, at the same energy.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atomgraph.atomic_write import write_text
from atomgraph.errors import FormatError, WiringError
from atomgraph.featurizers import Bispectrum
from atomgraph.formats.hints import FileHints
from atomgraph.formats.snap_text import LISTS, coefficients, n_coefficients, parameters_of
from atomgraph.formats.work_limit import allowance
from atomgraph.models.energy import EnergyModel
from atomgraph.models.snap import SNAP
from atomgraph.ops.triple_integrals import symmetry_classes
from atomgraph.readouts import PerElementLinear

UNITS = {"energy": "eV", "length": "Å"}
COEFFICIENTS, PARAMETERS = ".snapcoeff", ".snapparam"


def recognises(path: Path, start: bytes) -> bool:
    """One of the two files, by its name, or the parameters under another name."""
    words = {line.split()[0] for line in start.splitlines() if line.split()}
    return path.suffix in (COEFFICIENTS, PARAMETERS) or {b"rcutfac", b"twojmax"} <= words


def read(path: Path, hints: FileHints) -> tuple[SNAP, dict[str, Any]]:
    """The model of both files, in float64, and its origin. Either file gives the name of the other.

    Raises:
        FormatError: For a missing file, unknown keywords, wrong counts, and values that are not numbers.
    """
    if path.suffix not in (COEFFICIENTS, PARAMETERS):
        raise FormatError(
            f"{path} looks like the parameters of a SNAP potential; so that it finds its coefficients, name the two files "
            f"{path.stem}{PARAMETERS} and {path.stem}{COEFFICIENTS}"
        )
    of_coefficients, of_parameters = path.with_suffix(COEFFICIENTS), path.with_suffix(PARAMETERS)
    for file in (of_coefficients, of_parameters):
        if not file.is_file():
            raise FormatError(f"{path} needs its partner {file}, which is not there; a SNAP potential is both files")
    elements, radii, weights, table = coefficients(of_coefficients)
    parameters = parameters_of(of_parameters, len(elements))
    if len(table[0]) != (n_wanted := n_coefficients(parameters, len(elements))):
        raise FormatError(
            f"{of_coefficients} has {len(table[0])} coefficients an element, but {of_parameters} wants {n_wanted} (a constant "
            f"and {n_wanted - 1}) with its twojmax, quadraticflag and chemflag; take the two files of one fit"
        )
    try:
        n_bytes = of_coefficients.stat().st_size + of_parameters.stat().st_size
        with torch.random.fork_rng(devices=[]), allowance(n_bytes, 10):
            model = _model(elements, radii, weights, parameters)
    except WiringError as error:
        raise FormatError(f"{of_parameters} and {of_coefficients} describe no potential: {error}") from None
    readout = model.branches[0].readouts[0]
    numbers = torch.tensor(table, dtype=torch.float64)
    with torch.no_grad():
        readout.bias.copy_(numbers[:, :1])
        readout.weight.copy_(numbers[:, 1:, None])
    hints.settle_elements(of_coefficients, elements)
    hints.settle_units(of_coefficients, UNITS)
    origin: dict[str, Any] = {
        "format": "SNAP",
        "files": [of_coefficients.name, of_parameters.name],
        "without": "what a LAMMPS script adds beside the files by hybrid/overlay, such as ZBL",
    }
    if len(elements) > 1 and parameters["chemflag"] and not torch.allclose(_evened(model, numbers), numbers, rtol=1e-6):
        origin["forces"] = (
            "gradients of the energy; LAMMPS's own are not, since coefficients of equal components differ (chemflag 1)"
        )
        warnings.warn(f"{of_coefficients}: forces are {origin['forces']}", stacklevel=2)
    return model.eval(), {"origin": origin}


def _model(
    elements: Sequence[str], radii: Sequence[float], weights: Sequence[float], parameters: Mapping[str, Any]
) -> SNAP:
    """The model of these parameters, with weights of the readout still to be set."""
    return SNAP(
        elements,
        parameters["rcutfac"],
        twojmax=parameters["twojmax"],
        quadratic=parameters["quadraticflag"] == 1,
        radii=dict(zip(elements, radii, strict=True)),
        weights=dict(zip(elements, weights, strict=True)),
        rfac0=parameters["rfac0"],
        rmin0=parameters["rmin0"],
        switch=parameters["switchflag"] == 1,
        inner=_inner(parameters, elements),
        bzero=parameters["bzeroflag"] == 1,
        chem={symbol: i for i, symbol in enumerate(elements)} if parameters["chemflag"] else None,
        wselfall=parameters["wselfallflag"] == 1,
        bnorm=parameters["bnormflag"] == 1,
    ).double()


def write(model: EnergyModel, path: str | Path) -> tuple[Path, Path]:
    """Write NAME.snapcoeff and NAME.snapparam, NAME being the path without such an ending; scale, shift and E0 go into them.

    Raises:
        FormatError: For a model that LAMMPS's ``pair_style snap`` cannot express, and where files cannot be written.
    """
    path = Path(path)
    path = path.with_suffix("") if path.suffix in (COEFFICIENTS, PARAMETERS) else path
    bispectrum, readout = _expressible(model, path)
    arguments, elements, baseline = bispectrum.arguments, bispectrum.elements, model.baseline
    weight, bias = readout.weight.detach().double().cpu()[:, :, 0], readout.bias
    constant = torch.zeros(len(elements), dtype=torch.float64) if bias is None else bias.detach().double().cpu()[:, 0]
    scale, shift = baseline.scale[0].item(), baseline.shift[0].item()
    constant = scale * constant + shift + (baseline.e0 - model.isolated_energies())[0].detach().cpu()
    table = torch.cat([constant[:, None], scale * weight], dim=1)
    if not bool(torch.isfinite(table).all()):
        raise FormatError(f"cannot write {path}: the model holds numbers that are not finite; train it again")
    if bispectrum.n_channels > 1:
        table = _evened(model, table)
    lines = ["# SNAP potential, written by atomgraph, units metal", f"{len(elements)} {table.shape[1]}"]
    radii, weights = arguments["radii"] or {}, arguments["weights"] or {}
    for symbol, row in zip(elements, table.tolist(), strict=True):
        lines += [f"{symbol} {float(radii.get(symbol, 0.5))!r} {float(weights.get(symbol, 1.0))!r}", *map(repr, row)]
    settings = [
        "# SNAP parameters, written by atomgraph, units metal",
        f"rcutfac {float(arguments['cutoff'])!r}",
        f"twojmax {bispectrum.twojmax}",
        *(f"{name} {float(arguments[name])!r}" for name in ("rfac0", "rmin0")),
        *(f"{name}flag {int(arguments[name])}" for name in ("switch", "bzero", "quadratic")),
    ]
    if arguments["chem"] is not None:
        settings.append("chemflag 1")
    settings += [f"{name}flag 1" for name in ("bnorm", "wselfall") if arguments[name]]
    if arguments["inner"] is not None:
        rows = [arguments["inner"][symbol] for symbol in elements]
        settings += [
            "switchinnerflag 1",
            *(f"{name} {' '.join(repr(float(row[i])) for row in rows)}" for i, name in enumerate(LISTS)),
        ]
    files = path.with_name(path.name + COEFFICIENTS), path.with_name(path.name + PARAMETERS)
    return write_text(files[0], "\n".join(lines) + "\n"), write_text(files[1], "\n".join(settings) + "\n")


def _expressible(model: EnergyModel, path: Path) -> tuple[Bispectrum, PerElementLinear]:
    """The two parts of a model that is SNAP and nothing else."""

    def refuse(why: str) -> FormatError:
        return FormatError(f"cannot write {path}: LAMMPS's SNAP files hold {why}; save the model as .safetensors")

    branch = model.branches[0]
    bispectrum, readout = branch.featurizer, branch.readouts[0]
    plain = len(model.branches) == 1 and not len(branch.layers) and len(branch.readouts) == 1
    if not (plain and isinstance(bispectrum, Bispectrum) and isinstance(readout, PerElementLinear)):
        raise refuse("a bispectrum and weights for each element, and this model has other parts")
    if len(model.heads) > 1:
        raise refuse(f"one energy, and this model has the heads {', '.join(model.heads)}")
    if model.baseline.repulsion is not None:
        raise refuse("no repulsion, and this model has one")
    if bispectrum.wself != 1.0:
        raise refuse(f"the weight 1 for the atom itself, and here it is {bispectrum.wself}")
    chem = bispectrum.arguments["chem"]
    if chem is not None and [chem[symbol] for symbol in bispectrum.elements] != list(range(len(bispectrum.elements))):
        raise refuse(f"one channel an element, in their order, and here chem is {chem}")
    return bispectrum, readout


def _inner(parameters: Mapping[str, Any], elements: Sequence[str]) -> dict[str, list[float]] | None:
    if not parameters["switchinnerflag"]:
        return None
    rows = zip(*(parameters[name] for name in LISTS), strict=True)
    return {symbol: list(row) for symbol, row in zip(elements, rows, strict=True)}


def _evened(model: EnergyModel, table: Tensor) -> Tensor:
    """A table of coefficients, (n_elements, 1 + n_features), with their means over equal components: the same energies."""
    bispectrum = model.branches[0].featurizer
    same = torch.from_numpy(symmetry_classes(bispectrum.twojmax, bispectrum.n_channels))
    alike = (same[:, None] == same).to(table.dtype)
    mean = alike / alike.sum(dim=0)
    n = len(same)
    parts = [table[:, :1], table[:, 1 : n + 1] @ mean]
    if bispectrum.quadratic:
        left, right = torch.triu_indices(n, n)
        upper = table.new_zeros(len(table), n, n)
        upper[:, left, right] = table[:, n + 1 :]
        full = upper + upper.mT - torch.diag_embed(upper.diagonal(dim1=1, dim2=2))
        parts.append((mean @ full @ mean)[:, left, right])
    return torch.cat(parts, dim=1)
