"""Reads ACE potentials of python-ace and pacemaker (``.yaml``)."""

from __future__ import annotations

import re
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from atomgraph import featurizers, safe_yaml
from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.ace_yaml_blocks import Block, Function, blocks
from atomgraph.formats.hints import FileHints
from atomgraph.formats.work_limit import allowance
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion
from atomgraph.readouts import DensityEmbedding
from atomgraph.safe_yaml import YamlBoundError

UNITS = {"energy": "eV", "length": "Å"}
_KEY = re.compile(rb"^(global|species|metadata|auxdata):|^ *-? *speciesblock:", re.MULTILINE)


def recognises(path: Path, start: bytes) -> bool:
    """Is this the ``.yaml`` of python-ace? Its first key stands in the first line that is no comment."""
    lines = [line for line in start.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    if not lines or not _KEY.match(lines[0]):
        return False
    if b"speciesblock:" in start or b"DeltaSplineBins:" in start:
        return True
    try:
        return lines[0].startswith((b"metadata:", b"auxdata:")) and b"speciesblock:" in path.read_bytes()
    except OSError:
        return False


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """The model of a python-ace file, ``featurizers.ACE`` and ``readouts.DensityEmbedding``, float64. E0 is 0, as in the file.

    Radial functions are computed, not tabulated in steps of DeltaSplineBins. Columns are in python-ace's order.

    Raises:
        FormatError: For what is missing, damaged, or no part of what is supported, by its name.
    """
    try:
        data = _parsed(path)
        result = blocks(data)
        elements = hints.settle_elements(path, sorted({symbol for block in result for symbol in block.elements}))
        hints.settle_units(path, UNITS)
        with torch.random.fork_rng(devices=[]), allowance(path.stat().st_size, 100):
            model = _model(elements, result)
    except FormatError as error:
        raise FormatError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except WiringError as error:
        raise FormatError(f"{path} describes a model that cannot be built: {error}") from None
    written = data.get("metadata") or {}
    about = {str(key): str(value) for key, value in written.items()} if isinstance(written, dict) else {}
    return model.eval(), {"origin": {"format": "ACE", "file": path.name} | ({"metadata": about} if about else {})}


def _parsed(path: Path) -> Any:
    try:
        content = path.read_bytes()
        if b"*" in content and (b"<<" in content or b"merge" in content):
            raise YamlBoundError("merges mappings (<<), which is not supported; write them out")
        return safe_yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except YamlBoundError as error:
        raise FormatError(f"it {error}; copy it again") from None
    except Exception as error:  # PyYAML's own readers of numbers and dates let anything through
        raise FormatError(f"it is no whole YAML ({' '.join(str(error).split())}); copy it again") from None


def _model(elements: list[str], result: list[Block]) -> EnergyModel:
    functions = [sorted(_of(result, symbol), key=lambda function: function.place) for symbol in elements]
    bases = _bases(elements, result)
    _check_functions([function for of_one in functions for function in of_one], bases)
    cutoff = max(basis["rcutij"] for basis in bases.values())
    featurizer = featurizers.ACE(
        elements,
        cutoff,
        [_entry(function) for of_one in functions for function in of_one],
        n_radial=max(basis["nradbaseij"] for basis in bases.values()),
        bonds=[_bond(pair, basis) for pair, basis in bases.items()],
    ).double()
    table = torch.zeros_like(featurizer.bonds.coefficient)
    for i, basis in enumerate(bases.values()):
        given = torch.tensor(basis["radcoefficients"][: table.shape[1], : table.shape[2]].copy())
        table[i, : given.shape[0], : given.shape[1], : given.shape[2]] = given
    featurizer.bonds.coefficient = torch.nn.Parameter(table)
    embeddings = {symbol: _embedding(_single(result, symbol)) for symbol in elements}
    core = _core(elements, bases, embeddings)
    readout = DensityEmbedding(elements, featurizer.irreps_out.dim, core=core, per_element=embeddings).double()
    weight = torch.zeros_like(readout.weight)
    for z, (symbol, of_one) in enumerate(zip(elements, functions, strict=True)):
        for column, function in enumerate(of_one):
            if len(function.coefficients) != len(embeddings[symbol]["parameters"]):
                raise FormatError(
                    f"c of its function {_entry(function)} is not one number for each density of {symbol}"
                )
            weight[z, column, : len(function.coefficients)] = torch.tensor(function.coefficients, dtype=weight.dtype)
    readout.weight = torch.nn.Parameter(weight)
    return EnergyModel(elements, Branch(cutoff, featurizer, (), [readout]), Baseline(elements)).double()


def _of(result: list[Block], symbol: str) -> list[Function]:
    return [function for block in result if block.elements[0] == symbol for function in block.functions]


def _entry(function: Function) -> dict[str, Any]:
    centre, *neighbours = function.elements
    return {
        "centre": centre,
        "neighbours": neighbours,
        "ns": list(function.ns),
        "ls": list(function.ls),
        "inner": list(function.inner),
    }


def _single(result: list[Block], symbol: str) -> Block:
    for block in result:
        if block.elements == [symbol]:
            return block
    raise FormatError(f"it has no block {symbol!r}, which would say how {symbol} is embedded")


def _bases(elements: list[str], result: list[Block]) -> dict[tuple[str, str], dict[str, Any]]:
    """The radial basis of each pair that has one. A pair may say it in either order; if in both, the same."""
    of_name = {tuple(block.elements): block for block in result if len(block.elements) <= 2}
    bases = {}
    for pair in combinations_with_replacement(elements, 2):
        names = [pair[:1]] if pair[0] == pair[1] else [pair, pair[::-1]]
        both = [of_name[name] for name in names if name in of_name]
        if len(both) != len(names) and both:
            raise FormatError(f"it has a block {both[0].name!r}, but none of these elements in the other order")
        says = [block for block in both if "lmaxi" in block.keys]
        if both and not says:
            raise FormatError(f"its block {both[0].name!r} has no lmaxi, and so no radial basis")
        told = [dict(block.basis()) for block in says]
        for basis in told[1:]:
            for key, value in basis.items():
                if not np.array_equal(value, told[0][key]):
                    raise FormatError(f"its blocks {says[0].name!r} and {says[1].name!r} differ in {key}")
        if told:
            bases[pair] = told[0]
    if len({basis["inner_cutoff_type"] for basis in bases.values()}) > 1:
        raise FormatError("its blocks differ in inner_cutoff_type")
    return bases


def _check_functions(functions: list[Function], bases: dict[tuple[str, str], dict[str, Any]]) -> None:
    for function in functions:
        for symbol, n, l in zip(function.elements[1:], function.ns, function.ls, strict=True):
            first, second = sorted((function.elements[0], symbol))
            if (first, second) not in bases:
                raise FormatError(f"its function {_entry(function)} is of a pair that no block describes")
            n_top, degrees, k = bases[first, second]["radcoefficients"].shape
            if not 1 <= n <= (k if len(function.ns) == 1 else n_top) or l >= max(degrees, 1):
                raise FormatError(f"its function {_entry(function)} asks for more n or l than its blocks have")


def _bond(pair: tuple[str, str], basis: dict[str, Any]) -> dict[str, Any]:
    inner, width = basis["r_in"], basis["delta_in"]
    if basis["inner_cutoff_type"] != "distance":
        if basis["inner_cutoff_type"] == "density" and inner - width > 0:
            raise FormatError("it has an inner cutoff r_in of inner_cutoff_type 'density', which is not supported")
        inner, width = 0.0, 0.0
    return {
        "elements": list(pair),
        "radial": basis["radbase"],
        "cutoff": basis["rcutij"],
        "width": basis["dcutij"],
        "exponent": basis["radparameters"],
        "inner": inner,
        "inner_width": width,
    }


def _embedding(block: Block) -> dict[str, Any]:
    count, parameters = block.whole("ndensityi"), block.numbers("parameters")
    if parameters.shape != (2 * count,):
        raise FormatError(f"parameters of its block {block.name!r} should be two numbers for each of {count} densities")
    return {
        "function": str(block.keys.get("npoti")),
        "parameters": parameters.reshape(count, 2).tolist(),
        "core_cut": block.number("rho_core_cut", 100000.0),
        "core_width": block.number("drho_core_cut", 250.0),
    }


def _core(elements: list[str], bases: dict[Any, dict[str, Any]], embeddings: dict[str, Any]) -> CoreRepulsion | None:
    """None where nothing repels, and where that takes nothing out of the densities."""
    pairs, zbl = [], False
    for pair, basis in bases.items():
        prefactor, exponent = basis["core-repulsion"]
        first = {"elements": list(pair), "prefactor": prefactor, "exponent": exponent, "cutoff": basis["rcutij"]}
        if basis["inner_cutoff_type"] != "density":
            first |= {"inner": basis["r_in"], "inner_width": basis["delta_in"]}
        if basis["inner_cutoff_type"] == "zbl":
            zbl = True
            first |= {"form": "zbl", "width": basis["dcutij"]}
        if prefactor != 0.0 or zbl:
            pairs.append(first)
    cut = any(entry["core_cut"] < entry["core_width"] for entry in embeddings.values())
    return CoreRepulsion(elements, pairs, replaces_energy=zbl) if pairs or cut else None
