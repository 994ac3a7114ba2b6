"""Elements of models whose features are columns by element: columns go, come or split, and a linear map makes up for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from atomgraph.editing.element_data import baseline_for
from atomgraph.editing.transfer import without_rng
from atomgraph.errors import WiringError
from atomgraph.featurizers import SymmetryFunctions
from atomgraph.featurizers.symmetry_functions.sets import AngularFunction, RadialFunction
from atomgraph.layers import Standardize
from atomgraph.models.behler_parrinello import BehlerParrinello
from atomgraph.models.gcn import GCN
from atomgraph.nn.mlp import MLP

Origins = list[list[int]]  # for each new element, the old column that each new column is a part of; −1: none


def of_gcn(model: GCN, names: list[str], rows: list[int]) -> tuple[GCN, dict[str, Tensor]]:
    """The model for other elements, and the numbers of it that differ; see ``equivariant.of_mace``."""
    new = _built(GCN, model, names, rows)
    n_radial, n_old = model.branches[0].featurizer.n_radial, len(model.elements)
    columns = [row * n_radial + n for row in rows for n in range(n_radial)]
    columns += [n_old * n_radial + row for row in rows]
    layers = model.branches[0].layers
    found = _relabelled("branches.0.layers.", ("0", layers[0]), ("1.mlp", layers[1].mlp), rows, [columns] * len(rows))
    return new, found | _tables("branches.0.readouts.0.mlp", model.branches[0].readouts[0].mlp, rows)


def of_behler_parrinello(
    model: BehlerParrinello, names: list[str], rows: list[int]
) -> tuple[BehlerParrinello, dict[str, Tensor]]:
    """The model for other elements, and the numbers of it that differ; see ``equivariant.of_mace``."""
    entries = {
        key: None if model.arguments[key] is None else _renamed(model.arguments[key], model.elements, names, rows)
        for key in ("radial", "angular")
    }
    new = _built(BehlerParrinello, model, names, rows, **entries)
    branch = model.branches[0]
    origins = _function_origins(branch.featurizer, new.branches[0].featurizer, rows)
    return new, _relabelled(
        "branches.0.", ("layers.0", branch.layers[0]), ("readouts.0.mlp", branch.readouts[0].mlp), rows, origins
    )


def _built(cls: Any, model: Any, names: list[str], rows: list[int], **changed: Any) -> Any:
    arguments = model.arguments | changed | {"elements": names, "baseline": baseline_for(model, names, rows)}
    return without_rng(cls, **arguments)


def _relabelled(
    prefix: str, scaling: tuple[str, Standardize], linear: tuple[str, MLP], rows: list[int], origins: Origins
) -> dict[str, Tensor]:
    r"""Means, widths, and a perceptron's tables, with which the columns' new meaning changes nothing.

    An old column is the sum of the new ones that come from it, :math:`h_c = \sum_{c'} h_{c'}`: all of them get its width and
    weights, the first its mean, the others a mean of zero. Where none is left, :math:`h_c = 0`, and the bias of the
    element takes :math:`-\mu_c w_c / s_c`.
    """
    (where, standardize), (path, mlp) = scaling, linear
    mean, width = standardize.mean.detach().double(), standardize.width.detach().double()
    weight, bias = mlp.weights[0].detach().double(), mlp.biases[0].detach().double()  # (z, columns, n), (z, n)
    means, widths, weights, biases = [], [], [], []
    for row, columns in zip(rows, origins, strict=True):
        taken = torch.tensor(columns)
        first = [column >= 0 and columns.index(column) == place for place, column in enumerate(columns)]
        means.append(torch.where(torch.tensor(first), mean[row][taken], 0.0))
        widths.append(torch.where(taken >= 0, width[row][taken], 1.0))
        weights.append(torch.where((taken >= 0)[:, None], weight[row][taken], 0.0))
        gone = [column for column in range(len(mean[row])) if column not in set(columns)]
        biases.append(bias[row] - (mean[row] / width[row])[gone] @ weight[row][gone])
    like = {"mean": standardize.mean, "width": standardize.width}
    found = {f"{prefix}{where}.mean": torch.stack(means), f"{prefix}{where}.width": torch.stack(widths)}
    found = {name: value.to(like[name.rpartition(".")[2]]) for name, value in found.items()}
    tables = _tables(f"{prefix}{path}", mlp, rows)
    tables[f"{prefix}{path}.weights.0"] = torch.stack(weights).to(mlp.weights[0])
    tables[f"{prefix}{path}.biases.0"] = torch.stack(biases).to(mlp.biases[0])
    return found | tables


def _tables(path: str, mlp: MLP, rows: list[int]) -> dict[str, Tensor]:
    """The rows of a perceptron's elements."""
    parts = {"weights": mlp.weights, "biases": mlp.biases}
    return {f"{path}.{kind}.{t}": table[rows] for kind, tables in parts.items() for t, table in enumerate(tables)}


def _function_origins(old: SymmetryFunctions, new: SymmetryFunctions, rows: list[int]) -> Origins:
    def before(function: RadialFunction | AngularFunction) -> RadialFunction | AngularFunction:
        if isinstance(function, RadialFunction):
            return replace(function, neighbour=rows[function.neighbour])
        one, other = sorted(rows[row] for row in function.pair)
        return replace(function, pair=(one, other))

    found, width = [], new.irreps_out.dim
    for functions, row in zip(new.functions, rows, strict=True):
        known = old.functions[row]
        if len(set(known)) != len(known):
            raise WiringError("the same symmetry function stands twice; elements of such a set cannot be edited")
        columns = [known.index(before(function)) for function in functions]
        found.append(columns + [-1] * (width - len(columns)))
    return found


def _renamed(
    entries: Sequence[Mapping[str, Any]], old: Sequence[str], names: Sequence[str], rows: Sequence[int]
) -> list[dict[str, Any]]:
    """Entries of a set for other elements: without those of one that is gone, once for each that one has become."""
    now: dict[str, list[str]] = {symbol: [] for symbol in old}
    for name, row in zip(names, rows, strict=True):
        now[old[row]].append(name)
    found: list[dict[str, Any]] = []
    for entry in entries:
        keys = [key for key in ("centre", "neighbour") if entry.get(key) is not None]
        pair = entry.get("neighbours")
        choices = [now[entry[key]] for key in keys] + ([] if pair is None else [now[symbol] for symbol in pair])
        seen = set()
        for chosen in product(*choices):
            both = tuple(sorted(chosen[len(keys) :]))
            if (chosen[: len(keys)], both) in seen:
                continue
            seen.add((chosen[: len(keys)], both))
            changed = dict(zip(keys, chosen, strict=False)) | ({} if pair is None else {"neighbours": list(both)})
            found.append(dict(entry) | changed)
    return found
