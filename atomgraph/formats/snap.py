"""Reader and writer of SNAP potentials of LAMMPS and FitSNAP: ``NAME.snapcoeff`` and ``NAME.snapparam``.

Units are LAMMPS's ``metal``: eV and Å. Energies are equal to those of LAMMPS. The files, and so the model, do not contain
a second potential that an input script adds (``pair_style hybrid/overlay``, often a ZBL repulsion).

Elements are in the order of the coefficient file. With separate channels of elements (``chemflag 1``, ``sinner``), LAMMPS
uses the order of ``pair_coeff``, which is not in the files: list elements in ``pair_coeff`` in the order of the coefficient
file.

With ``chemflag 1``, LAMMPS's forces are the gradient of its energy only if equal components have equal coefficients.
Components are equal if they are products of the same three functions in another order. Forces of atomgraph are always the
gradient. Files that atomgraph writes have equal coefficients, with the same energy.
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
from atomgraph.formats.snap_text import LISTS, count_coefficients, read_coefficients, read_parameters
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.energy import EnergyModel
from atomgraph.models.snap import SNAP
from atomgraph.ops.triple_integrals import symmetry_classes
from atomgraph.readouts import PerElementLinear

UNITS = {"energy": "eV", "length": "Å"}
COEFFICIENTS, PARAMETERS = ".snapcoeff", ".snapparam"


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file is a coefficient or parameter file by its ending, or a parameter file by its keywords."""
    words = {line.split()[0] for line in start.splitlines() if line.split()}
    return path.suffix in (COEFFICIENTS, PARAMETERS) or {b"rcutfac", b"twojmax"} <= words


def read(path: Path, hints: FileHints) -> tuple[SNAP, dict[str, Any]]:
    """Return the model of the coefficient and the parameter file, in float64, and its origin.

    Args:
        path: One of the two files; the other file has the same name with the other ending.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If a file is missing or damaged, a keyword is unknown, or the two files do not fit together.
    """
    if path.suffix not in (COEFFICIENTS, PARAMETERS):
        raise FormatError(
            f"{path} looks like the parameters of a SNAP potential; so that the coefficients are found, name the two files "
            f"{path.stem}{PARAMETERS} and {path.stem}{COEFFICIENTS}"
        )
    coefficient_file, parameter_file = path.with_suffix(COEFFICIENTS), path.with_suffix(PARAMETERS)
    for file in (coefficient_file, parameter_file):
        if not file.is_file():
            raise FormatError(f"{path} needs a second file {file}, which is missing; a SNAP potential has two files")
    elements, radii, weights, table = read_coefficients(coefficient_file)
    parameters = read_parameters(parameter_file, len(elements))
    if len(table[0]) != (n_expected := count_coefficients(parameters, len(elements))):
        raise FormatError(
            f"{coefficient_file} has {len(table[0])} coefficients per element, but {parameter_file} needs "
            f"{n_expected} (a constant "
            f"and {n_expected - 1}) with its twojmax, quadraticflag and chemflag; use the two files of one fit"
        )
    try:
        n_bytes = coefficient_file.stat().st_size + parameter_file.stat().st_size
        with torch.random.fork_rng(devices=[]), limit_work(n_bytes, 10):
            model = _model(elements, radii, weights, parameters)
    except WiringError as error:
        raise FormatError(f"{parameter_file} and {coefficient_file} do not describe a potential: {error}") from None
    readout = model.branches[0].readouts[0]
    numbers = torch.tensor(table, dtype=torch.float64)
    with torch.no_grad():
        readout.bias.copy_(numbers[:, :1])
        readout.weight.copy_(numbers[:, 1:, None])
    hints.resolve_elements(coefficient_file, elements)
    hints.resolve_units(coefficient_file, UNITS)
    origin: dict[str, Any] = {
        "format": "SNAP",
        "files": [coefficient_file.name, parameter_file.name],
        "without": "potentials that a LAMMPS script adds with hybrid/overlay, such as ZBL",
    }
    if (
        len(elements) > 1
        and parameters["chemflag"]
        and not torch.allclose(_symmetrise(model, numbers), numbers, rtol=1e-6)
    ):
        origin["forces"] = (
            "gradients of the energy; those of LAMMPS are not, because coefficients of equal components differ (chemflag 1)"
        )
        warnings.warn(f"{coefficient_file}: forces are {origin['forces']}", stacklevel=2)
    return model.eval(), {"origin": origin}


def _model(
    elements: Sequence[str], radii: Sequence[float], weights: Sequence[float], parameters: Mapping[str, Any]
) -> SNAP:
    """Return the model of the parameter file, with coefficients that are not set yet."""
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
    """Write NAME.snapcoeff and NAME.snapparam, with scale, shift and E0 in the coefficients.

    Args:
        model: A model with a bispectrum and linear weights for each element.
        path: Path NAME, with or without one of the two endings.

    Returns:
        Paths of the coefficient file and the parameter file.

    Raises:
        FormatError: If LAMMPS's ``pair_style snap`` cannot express the model, or a file cannot be written.
    """
    path = Path(path)
    path = path.with_suffix("") if path.suffix in (COEFFICIENTS, PARAMETERS) else path
    bispectrum, readout = _check_expressible(model, path)
    arguments, elements, baseline = bispectrum.arguments, bispectrum.elements, model.baseline
    weight, bias = readout.weight.detach().double().cpu()[:, :, 0], readout.bias
    constant = torch.zeros(len(elements), dtype=torch.float64) if bias is None else bias.detach().double().cpu()[:, 0]
    scale, shift = baseline.scale[0].item(), baseline.shift[0].item()
    constant = scale * constant + shift + (baseline.e0 - model.isolated_energies())[0].detach().cpu()
    table = torch.cat([constant[:, None], scale * weight], dim=1)
    if not bool(torch.isfinite(table).all()):
        raise FormatError(f"cannot write {path}: the model holds numbers that are not finite; train it again")
    if bispectrum.n_channels > 1:
        table = _symmetrise(model, table)
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


def _check_expressible(model: EnergyModel, path: Path) -> tuple[Bispectrum, PerElementLinear]:
    """Return bispectrum and readout of a model; FormatError if the files cannot express the model."""

    def format_error(limitation: str) -> FormatError:
        return FormatError(
            f"cannot write {path}: LAMMPS's SNAP files can contain {limitation}; save the model as .safetensors"
        )

    branch = model.branches[0]
    bispectrum, readout = branch.featurizer, branch.readouts[0]
    has_one_part = len(model.branches) == 1 and not len(branch.layers) and len(branch.readouts) == 1
    if not (has_one_part and isinstance(bispectrum, Bispectrum) and isinstance(readout, PerElementLinear)):
        raise format_error("only a bispectrum and weights for each element, but this model has other parts")
    if len(model.heads) > 1:
        raise format_error(f"only one energy, but this model has the heads {', '.join(model.heads)}")
    if model.baseline.repulsion is not None:
        raise format_error("no repulsion, but this model has one")
    if bispectrum.wself != 1.0:
        raise format_error(f"only the weight 1 for the central atom, but this model has {bispectrum.wself}")
    chem = bispectrum.arguments["chem"]
    if chem is not None and [chem[symbol] for symbol in bispectrum.elements] != list(range(len(bispectrum.elements))):
        raise format_error(f"only one channel per element, in the order of elements, but this model has chem {chem}")
    return bispectrum, readout


def _inner(parameters: Mapping[str, Any], elements: Sequence[str]) -> dict[str, list[float]] | None:
    """Return the inner cutoff (sinner, dinner, both Å) of each element; None without inner cutoff."""
    if not parameters["switchinnerflag"]:
        return None
    rows = zip(*(parameters[name] for name in LISTS), strict=True)
    return {symbol: list(row) for symbol, row in zip(elements, rows, strict=True)}


def _symmetrise(model: EnergyModel, table: Tensor) -> Tensor:
    """Return coefficients averaged over equal components, (n_elements, 1 + n_features), with the same energies.

    Args:
        model: The model.
        table: Coefficients, (n_elements, 1 + n_features), eV.
    """
    bispectrum = model.branches[0].featurizer
    class_numbers = torch.from_numpy(symmetry_classes(bispectrum.twojmax, bispectrum.n_channels))
    is_equal = (class_numbers[:, None] == class_numbers).to(table.dtype)
    mean = is_equal / is_equal.sum(dim=0)  # (n, n): row vector @ mean replaces each entry by the mean of its class
    n = len(class_numbers)  # number of linear components; in quadratic models, their products follow in the table
    parts = [table[:, :1], table[:, 1 : n + 1] @ mean]
    if bispectrum.quadratic:
        rows, columns = torch.triu_indices(n, n)
        upper = table.new_zeros(len(table), n, n)
        upper[:, rows, columns] = table[:, n + 1 :]
        full = upper + upper.mT - torch.diag_embed(upper.diagonal(dim1=1, dim2=2))
        parts.append((mean @ full @ mean)[:, rows, columns])
    return torch.cat(parts, dim=1)
