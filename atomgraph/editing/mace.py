"""MACE's elements: rows of its tables, scaled by the square root of how many there are."""

from __future__ import annotations

from torch import Tensor

from atomgraph.editing.element_data import baseline_for, part_for
from atomgraph.editing.transfer import without_rng
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.models.mace import MACE
from atomgraph.nn.equivariant.linear import ElementLinear
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct


def of_mace(model: MACE, names: list[str], rows: list[int]) -> tuple[MACE, dict[str, Tensor]]:
    """The model for other elements, and the numbers of it that differ from the old one's.

    names: chemical symbols.  rows: the old element that each begins with.
    """
    radial = dict(model.arguments["radial"] or {})
    if radial.get("transform") is not None:
        radial["transform"] = part_for(radial["transform"], names, rows)
    changed = {"elements": names, "radial": radial, "baseline": baseline_for(model, names, rows)}
    new = without_rng(MACE, **(model.arguments | changed))
    factor = (len(names) / len(model.elements)) ** 0.5
    found: dict[str, Tensor] = {}
    for name, part in model.named_modules():
        if isinstance(part, ElementLinear):
            found |= {f"{name}.weights.{key}": weight[rows] * factor for key, weight in part.weights.items()}
        elif isinstance(part, SymmetricProduct) and part.n_elements > 1:
            found |= {f"{name}.weights.{key}": weight[rows] for key, weight in part.weights.items()}
        elif isinstance(part, NonlinearResidualInteraction):
            found |= {f"{name}.{key}": getattr(part, key)[rows] * factor for key in ("source", "target")}
    return new, found | {"branches.0.featurizer.weight": model.branches[0].featurizer.weight[rows] * factor}
