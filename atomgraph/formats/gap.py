"""Reader of GAP potentials of QUIP: an ``.xml`` file with its sparse files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from ase.data import chemical_symbols

from atomgraph.errors import FormatError
from atomgraph.featurizers import SOAP, PairKernel, TripleKernel
from atomgraph.formats.file_errors import file_errors
from atomgraph.formats.gap_terms import GapTerm, parse_atomic_number, parse_number, parse_term
from atomgraph.formats.hints import FileHints
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.readouts import Linear, SparseKernel

UNITS = {"energy": "eV", "length": "Å"}
_MAX_BYTES_PER_NUMBER = 100  # of a sparse file; QUIP writes 24
_FIRST_VERSION = 1423143769  # oldest supported gap_version (Unix time, 2015); since then SOAP is divided by √(2l + 1)


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file is the XML file of a GAP potential."""
    return start.lstrip().startswith(b"<") and any(word in start for word in (b"<GAP_", b"IP GAP", b"<gpSparse"))


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a GAP file and its origin.

    The model, in float64, has one branch for each pair or triple term, and one branch for all SOAP terms with equal settings,
    which differ only in central element, weights and sparse points.

    Args:
        path: The XML file.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If something is missing, damaged or not supported.
    """
    with file_errors(path):
        data, terms = _parse(path)
        e0 = _e0(data)
        elements = hints.resolve_elements(path, _elements(terms, e0))
        hints.resolve_units(path, UNITS)
        n_bytes = path.stat().st_size + sum(term.points.nbytes for term in terms)
        with torch.random.fork_rng(devices=[]), limit_work(n_bytes, 10 * len(terms)):
            model = _model(elements, e0, terms).double()
    return model.eval(), {"origin": {"format": "GAP", "file": path.name}}


def _parse(path: Path) -> tuple[ElementTree.Element, list[GapTerm]]:
    """Return the element ``GAP_data`` and all terms of an XML file; FormatError for an unsupported or damaged file."""
    try:
        content = path.read_bytes()
        if b"<!" in content.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise FormatError("the file declares a document type or entities, which no GAP has")
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the file is not complete XML ({error}); copy it again") from None
    parameters = root if root.tag == "GAP_params" else root.find(".//GAP_params")
    if parameters is None:
        raise FormatError("the file has no GAP_params; atomgraph reads potentials that gap_fit wrote")
    for child in root.iter():
        if child.tag not in _KNOWN_TAGS and child is not root:
            raise FormatError(f"the file holds <{child.tag}>, which is not supported")
    if parse_number(parameters.get("gap_version", "0"), "gap_version") < _FIRST_VERSION:
        raise FormatError(
            "the file was written by a GAP version before 2015, with another scale of SOAP, which is not supported"
        )
    data, sparse = parameters.find("GAP_data"), parameters.find("gpSparse")
    if data is None or sparse is None:
        raise FormatError("the file lacks GAP_data or gpSparse and may be cut short")
    if data.get("do_core", "F") != "F":
        raise FormatError("the potential adds a core potential (do_core=T), which is not supported")
    coordinates = sparse.findall("gpCoordinates")
    if not coordinates or len(coordinates) != int(parse_number(sparse.get("n_coordinate", "0"), "n_coordinate")):
        raise FormatError(
            f"the file should have {sparse.get('n_coordinate')} gpCoordinates, but has {len(coordinates)}"
        )
    return data, [_term(path, element) for element in coordinates]


_KNOWN_TAGS = {"Potential", "GAP_params", "GAP_data", "e0", "gpSparse", "gpCoordinates", "theta", "descriptor"}
_KNOWN_TAGS |= {"permutation", "sparseX", "command_line", "XYZ_data", "local_property0"}


def _term(path: Path, element: ElementTree.Element) -> GapTerm:
    """Return a term with its sparse points, from a file in the folder of the XML file."""
    term = parse_term(element)
    name = element.get("sparseX_filename")
    if name is None:
        raise FormatError(
            "the sparse points are in the xml file itself, which is not supported; fit with sparse_separate_file=T"
        )
    sparse_path = path.parent / Path(name).name
    if sparse_path.exists() and not sparse_path.is_file():  # a pipe or a device may never end
        raise FormatError(f"the sparse file {sparse_path.name} is not a regular file; copy the file itself")
    try:
        size = sparse_path.stat().st_size
        if size > (max_size := _MAX_BYTES_PER_NUMBER * (len(term.alpha) * term.dimensions + 1)):
            raise FormatError(f"the sparse file {sparse_path.name} has {size} bytes; expected are at most {max_size}")
        content = sparse_path.read_bytes()
    except OSError:
        raise FormatError(
            f"the sparse file {sparse_path.name} is not in the same folder; copy the xml with all its sparseX files"
        ) from None
    checksum = element.get("sparseX_md5sum")
    if checksum is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
        raise FormatError(
            f"the sparse file {sparse_path.name} has another checksum than the one in the xml; copy both again"
        )
    try:
        points = np.array(content.split(), dtype=np.float64)
    except ValueError:
        raise FormatError(f"the sparse file {sparse_path.name} holds words that are not numbers") from None
    if len(points) != len(term.alpha) * term.dimensions or not np.isfinite(points).all():
        raise FormatError(
            f"the sparse file {sparse_path.name} should hold {len(term.alpha)} x {term.dimensions} finite numbers, but holds "
            f"{len(points)}; copy it again with its xml"
        )
    return term.with_points(points.reshape(len(term.alpha), term.dimensions))


def _e0(data: ElementTree.Element) -> dict[int, float]:
    """Return E0 by atomic number, eV."""
    result: dict[int, float] = {}
    for element in data.findall("e0"):
        z, value = parse_atomic_number(element.get("Z", ""), "Z of e0"), parse_number(element.get("value", ""), "e0")
        if result.setdefault(z, value) != value:
            raise FormatError(f"the file has two E0 of {chemical_symbols[z]}, {result[z]} and {value}")
    return result


def _elements(terms: list[GapTerm], e0: dict[int, float]) -> list[str] | None:
    """Return the elements of the terms; with a term for any element, also elements with nonzero E0; None if there are none."""
    numbers = {z for term in terms for z in term.elements}
    numbers |= {z for z, value in e0.items() if value != 0.0} if any(term.any_element for term in terms) else set()
    return [chemical_symbols[z] for z in sorted(numbers)] or None


def _model(elements: list[str], e0: dict[int, float], terms: list[GapTerm]) -> EnergyModel:
    """Return the model of all terms, with E0 by atomic number, eV; SOAP terms with equal settings share a branch."""
    branches = [_pair_or_triple_branch(elements, term) for term in terms if term.kind != "soap"]
    groups: dict[Any, list[GapTerm]] = {}
    for term in terms:
        if term.kind == "soap":
            groups.setdefault(term.shared_settings, []).append(term)
    branches += [_soap_branch(elements, group) for group in groups.values()]
    baseline = Baseline(elements)
    for row, symbol in enumerate(elements):
        baseline.e0[0, row] = e0.get(chemical_symbols.index(symbol), 0.0)
    return EnergyModel(elements, branches, baseline)


def _pair_or_triple_branch(elements: list[str], term: GapTerm) -> Branch:
    """Return the branch of a pair or triple term."""
    n_points, symbols = len(term.alpha), [chemical_symbols[z] for z in term.elements]
    featurizer: PairKernel | TripleKernel
    if term.kind == "distance_2b":
        featurizer = PairKernel(elements, term.cutoff, symbols, n_points, term.transition_width)
        featurizer.points = torch.tensor(term.points[:, 0])
    else:
        featurizer = TripleKernel(elements, term.cutoff, symbols[0], symbols[1:], n_points, term.transition_width)
        featurizer.points = torch.tensor(term.points)
    featurizer.theta = torch.tensor(term.theta, dtype=torch.float64)
    featurizer.delta = torch.tensor([term.delta], dtype=torch.float64)
    featurizer.point_weight = torch.tensor(term.sparse_cutoff, dtype=torch.float64)
    readout = Linear(n_points)
    readout.weight = torch.nn.Parameter(torch.tensor(term.alpha, dtype=torch.float64)[:, None])
    return Branch(term.cutoff, featurizer, (), [readout])


def _soap_branch(elements: list[str], terms: list[GapTerm]) -> Branch:
    """Return one branch for SOAP terms that differ in centre, weights and sparse points only."""
    first_term = terms[0]
    featurizer = SOAP(
        elements, first_term.cutoff, envelope_width=first_term.transition_width, **first_term.soap_arguments(elements)
    )
    n_features, n_points = featurizer.irreps_out.dim, max(len(term.alpha) for term in terms)
    if first_term.dimensions != n_features + 1:
        raise FormatError(
            f"a soap of these settings has {n_features + 1} dimensions, but the file has {first_term.dimensions}"
        )
    readout = SparseKernel(elements, n_features, n_points, zeta=first_term.zeta).double()
    weight = torch.zeros_like(readout.weight)
    readout.points.zero_()
    for term in terms:
        if np.abs(term.points[:, -1]).max() > 0:
            raise FormatError("a soap term has covariance_sigma0, which is not supported")
        for z in term.elements[:1] or [chemical_symbols.index(symbol) for symbol in elements]:
            row = elements.index(chemical_symbols[z])
            readout.points[row, : len(term.points)] = torch.tensor(term.points[:, :-1])
            readout.delta[row] = term.delta
            weight[row, : len(term.alpha), 0] += torch.tensor(term.alpha, dtype=torch.float64)
    readout.weight = torch.nn.Parameter(weight)
    return Branch(first_term.cutoff, featurizer, (), [readout])
