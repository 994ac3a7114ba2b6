"""Reader of ACE potentials of python-ace and pacemaker (``.yaml``)."""

from __future__ import annotations

import re
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from atomgraph import featurizers, safe_yaml
from atomgraph.errors import FormatError
from atomgraph.formats.ace_yaml_blocks import ClusterFunction, SpeciesBlock, parse_blocks
from atomgraph.formats.file_errors import file_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion
from atomgraph.readouts import DensityEmbedding
from atomgraph.safe_yaml import YamlBoundError

UNITS = {"energy": "eV", "length": "Å"}
_FIRST_KEY = re.compile(rb"^(global|species|metadata|auxdata):|^ *-? *speciesblock:", re.MULTILINE)


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file is a ``.yaml`` of python-ace, from the first key of the file."""
    lines = [line for line in start.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    if not lines or not _FIRST_KEY.match(lines[0]):
        return False
    if b"speciesblock:" in start or b"DeltaSplineBins:" in start:
        return True
    try:
        return lines[0].startswith((b"metadata:", b"auxdata:")) and b"speciesblock:" in path.read_bytes()
    except OSError:
        return False


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a python-ace file and its origin.

    The model has ``featurizers.ACE`` and ``readouts.DensityEmbedding``, in float64, with E0 = 0 as in the file. Radial
    functions are computed, not tabulated in steps of DeltaSplineBins. Features are in the order of python-ace.

    Args:
        path: The file.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If something is missing, damaged or not supported.
    """
    with file_errors(path):
        data = _parse(path)
        blocks = parse_blocks(data)
        elements = hints.resolve_elements(path, sorted({symbol for block in blocks for symbol in block.elements}))
        hints.resolve_units(path, UNITS)
        with torch.random.fork_rng(devices=[]), limit_work(path.stat().st_size, 100):
            model = _model(elements, blocks)
    file_metadata = data.get("metadata") or {}
    texts = {str(key): str(value) for key, value in file_metadata.items()} if isinstance(file_metadata, dict) else {}
    return model.eval(), {"origin": {"format": "ACE", "file": path.name} | ({"metadata": texts} if texts else {})}


def _parse(path: Path) -> Any:
    """Return the content of the YAML file; FormatError if it is damaged or too large."""
    try:
        content = path.read_bytes()
        if b"*" in content and (b"<<" in content or b"merge" in content):
            raise FormatError("the file merges mappings (<<), which is not supported; write the merged mappings out")
        return safe_yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except YamlBoundError as error:
        raise FormatError(f"the file {error}; copy it again") from None
    except FormatError:
        raise
    except Exception as error:  # PyYAML raises many types of errors for damaged numbers and dates
        raise FormatError(f"the file is not complete YAML ({' '.join(str(error).split())}); copy it again") from None


def _model(elements: list[str], blocks: list[SpeciesBlock]) -> EnergyModel:
    """Return the model of the species blocks."""
    functions_by_element = [
        sorted(_functions(blocks, symbol), key=lambda function: function.sort_key) for symbol in elements
    ]
    functions = [function for group in functions_by_element for function in group]
    bases = _bases(elements, blocks)
    _check_functions(functions, bases)
    cutoff = max(basis["rcutij"] for basis in bases.values())
    featurizer = featurizers.ACE(
        elements,
        cutoff,
        [_entry(function) for function in functions],
        n_radial=max(basis["nradbaseij"] for basis in bases.values()),
        bonds=[_bond(pair, basis) for pair, basis in bases.items()],
    ).double()
    coefficients = torch.zeros_like(featurizer.bonds.coefficient)
    for i, basis in enumerate(bases.values()):
        pair_coefficients = torch.tensor(
            basis["radcoefficients"][: coefficients.shape[1], : coefficients.shape[2]].copy()
        )
        n, n_degrees, n_basis = pair_coefficients.shape
        coefficients[i, :n, :n_degrees, :n_basis] = pair_coefficients
    featurizer.bonds.coefficient = torch.nn.Parameter(coefficients)
    embeddings = {symbol: _embedding(_element_block(blocks, symbol)) for symbol in elements}
    core = _core(elements, bases, embeddings)
    readout = DensityEmbedding(elements, featurizer.irreps_out.dim, core=core, per_element=embeddings).double()
    weight = torch.zeros_like(readout.weight)
    for z, (symbol, element_functions) in enumerate(zip(elements, functions_by_element, strict=True)):
        for column, function in enumerate(element_functions):
            if len(function.coefficients) != len(embeddings[symbol]["parameters"]):
                raise FormatError(
                    f"the key c of the function {_entry(function)} should have {len(embeddings[symbol]['parameters'])} "
                    f"numbers, one per density of {symbol}, but has {len(function.coefficients)}"
                )
            weight[z, column, : len(function.coefficients)] = torch.tensor(function.coefficients, dtype=weight.dtype)
    readout.weight = torch.nn.Parameter(weight)
    return EnergyModel(elements, Branch(cutoff, featurizer, (), [readout]), Baseline(elements)).double()


def _functions(blocks: list[SpeciesBlock], symbol: str) -> list[ClusterFunction]:
    """Return the cluster functions of a central element."""
    return [function for block in blocks if block.elements[0] == symbol for function in block.functions]


def _entry(function: ClusterFunction) -> dict[str, Any]:
    """Return the arguments of ``featurizers.ACE`` for a cluster function."""
    centre, *neighbours = function.elements
    return {
        "centre": centre,
        "neighbours": neighbours,
        "ns": list(function.ns),
        "ls": list(function.ls),
        "inner": list(function.inner),
    }


def _element_block(blocks: list[SpeciesBlock], symbol: str) -> SpeciesBlock:
    """Return the block of a single element."""
    for block in blocks:
        if block.elements == [symbol]:
            return block
    raise FormatError(f"the block {symbol!r} is missing; that block would define the embedding of {symbol}")


def _bases(elements: list[str], blocks: list[SpeciesBlock]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the radial basis of each pair of elements; blocks of both orders of a pair must have the same basis."""
    blocks_by_name = {tuple(block.elements): block for block in blocks if len(block.elements) <= 2}
    bases = {}
    for pair in combinations_with_replacement(elements, 2):
        names = [pair[:1]] if pair[0] == pair[1] else [pair, pair[::-1]]
        pair_blocks = [blocks_by_name[name] for name in names if name in blocks_by_name]
        if len(pair_blocks) != len(names) and pair_blocks:
            raise FormatError(
                f"the file has a block {pair_blocks[0].name!r}, but no block of these elements in the other order"
            )
        basis_blocks = [block for block in pair_blocks if "lmaxi" in block.keys]
        if pair_blocks and not basis_blocks:
            raise FormatError(f"the block {pair_blocks[0].name!r} has no lmaxi, and so no radial basis")
        pair_bases = [dict(block.basis()) for block in basis_blocks]
        for basis in pair_bases[1:]:
            for key, value in basis.items():
                if not np.array_equal(value, pair_bases[0][key]):
                    raise FormatError(
                        f"the blocks {basis_blocks[0].name!r} and {basis_blocks[1].name!r} differ in {key}"
                    )
        if pair_bases:
            bases[pair] = pair_bases[0]
    if len({basis["inner_cutoff_type"] for basis in bases.values()}) > 1:
        raise FormatError("the blocks differ in inner_cutoff_type")
    return bases


def _check_functions(functions: list[ClusterFunction], bases: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Raise FormatError if a cluster function needs a pair, n or l that no block has."""
    for function in functions:
        for symbol, n, l in zip(function.elements[1:], function.ns, function.ls, strict=True):
            element_1, element_2 = sorted((function.elements[0], symbol))
            if (element_1, element_2) not in bases:
                raise FormatError(f"the function {_entry(function)} needs a pair of elements that no block describes")
            n_max, n_degrees, n_basis = bases[element_1, element_2]["radcoefficients"].shape
            # functions of one neighbour use the radial basis itself, other functions its combinations
            if not 1 <= n <= (n_basis if len(function.ns) == 1 else n_max) or l >= max(n_degrees, 1):
                raise FormatError(f"the function {_entry(function)} needs larger n or l than the blocks have")


def _bond(pair: tuple[str, str], basis: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a bond of ``featurizers.ACE``."""
    inner_cutoff, inner_width = basis["r_in"], basis["delta_in"]
    if basis["inner_cutoff_type"] != "distance":
        if basis["inner_cutoff_type"] == "density" and inner_cutoff - inner_width > 0:
            raise FormatError("a block has an inner cutoff r_in of inner_cutoff_type 'density', which is not supported")
        inner_cutoff, inner_width = 0.0, 0.0
    return {
        "elements": list(pair),
        "radial": basis["radbase"],
        "cutoff": basis["rcutij"],
        "width": basis["dcutij"],
        "exponent": basis["radparameters"],
        "inner": inner_cutoff,
        "inner_width": inner_width,
    }


def _embedding(block: SpeciesBlock) -> dict[str, Any]:
    """Return the arguments of ``DensityEmbedding`` for an element."""
    n_densities, parameters = block.integer("ndensityi"), block.numbers("parameters")
    if parameters.shape != (2 * n_densities,):
        raise FormatError(
            f"parameters of the block {block.name!r} should be two numbers for each of {n_densities} densities"
        )
    return {
        "function": str(block.keys.get("npoti")),
        "parameters": parameters.reshape(n_densities, 2).tolist(),
        "core_cut": block.number("rho_core_cut", 100000.0),
        "core_width": block.number("drho_core_cut", 250.0),
    }


def _core(elements: list[str], bases: dict[Any, dict[str, Any]], embeddings: dict[str, Any]) -> CoreRepulsion | None:
    """Return the core repulsion; None if no pair has a repulsion and no embedding is reduced at large core density."""
    pairs, has_zbl = [], False
    for pair, basis in bases.items():
        prefactor, exponent = basis["core-repulsion"]
        arguments = {"elements": list(pair), "prefactor": prefactor, "exponent": exponent, "cutoff": basis["rcutij"]}
        if basis["inner_cutoff_type"] != "density":
            arguments |= {"inner": basis["r_in"], "inner_width": basis["delta_in"]}
        if basis["inner_cutoff_type"] == "zbl":
            has_zbl = True
            arguments |= {"form": "zbl", "width": basis["dcutij"]}
        if prefactor != 0.0 or has_zbl:
            pairs.append(arguments)
    # With core_cut ≥ core_width (as in the defaults), the embedding is reduced only at core densities above zero. Core
    # densities are zero without repulsion.
    reduced_at_zero = any(entry["core_cut"] < entry["core_width"] for entry in embeddings.values())
    return CoreRepulsion(elements, pairs, replaces_energy=has_zbl) if pairs or reduced_at_zero else None
