"""Models cut down or widened with their predictions unchanged: fewer elements, fewer heads, one head more. MACE only."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.models.baseline import Baseline
from atomgraph.models.mace import MACE
from atomgraph.nn.distance_transform import DistanceTransform
from atomgraph.nn.equivariant_linear import ElementLinear
from atomgraph.nn.part import Part
from atomgraph.nn.product import SymmetricProduct
from atomgraph.potential import Potential
from atomgraph.readouts import GroupedMLP, ScaledLinear


def keep_elements(potential: Potential, elements: Sequence[str]) -> Potential:
    """A new potential for some of the elements, in the given order, that predicts the same for them; the old one stays.

    Raises WiringError for an element that it does not know, or a model other than MACE.
    """
    model = _mace(potential)
    rows = _places(elements, model.elements, "element")
    kept = [model.elements[row] for row in rows]
    baseline = model.baseline.arguments | {"elements": kept, "repulsion": _of_elements(model.baseline.repulsion, rows)}
    radial = dict(model.arguments["radial"] or {})
    if radial.get("transform") is not None:
        radial["transform"] = _of_elements(radial["transform"], rows)
    new = _built(model, elements=kept, radial=radial, baseline=Baseline(**baseline))
    factor = (len(kept) / len(model.elements)) ** 0.5
    found: dict[str, Tensor] = {}
    state = model.state_dict()
    for name, part in model.named_modules():
        if isinstance(part, ElementLinear):
            found |= {f"{name}.weights.{key}": weight[rows] * factor for key, weight in part.weights.items()}
        elif isinstance(part, SymmetricProduct) and part.n_elements > 1:
            found |= {f"{name}.weights.{key}": weight[rows] for key, weight in part.weights.items()}
        elif isinstance(part, NonlinearResidualInteraction):
            found |= {f"{name}.{key}": getattr(part, key)[rows] * factor for key in ("source", "target")}
    embedding = "branches.0.featurizer.weight"
    found |= {embedding: state[embedding][rows] * factor, "baseline.e0": state["baseline.e0"][:, rows]}
    return _filled(potential, new, state | found, f"kept the elements {', '.join(kept)} of {len(model.elements)}")


def keep_heads(potential: Potential, heads: Sequence[str]) -> Potential:
    """A new potential with some of the heads, in the given order, that predicts the same with them; the old one stays.

    Raises WiringError for a head that it does not have, or a model other than MACE.
    """
    model = _mace(potential)
    rows = _places(heads, model.heads, "head")
    kept = [model.heads[row] for row in rows]
    return _with_heads(potential, kept, rows, f"kept the heads {', '.join(kept)} of {', '.join(model.heads)}")


def add_head(potential: Potential, name: str, like: str | None = None) -> Potential:
    """A new potential with one head more, which predicts what the head ``like`` does; the old one stays.

    like: may be None where there is one head only.
    Raises WiringError for a name that there is, an unknown head, several heads and none named, or a model other than MACE.
    """
    model = _mace(potential)
    if name in model.heads:
        raise WiringError(f"there is a head {name!r} already; this potential has {', '.join(model.heads)}")
    if like is None and len(model.heads) > 1:
        raise WiringError(
            f"say which head the new one starts from: like={model.heads[0]!r}, or another of {model.heads}"
        )
    row = 0 if like is None else _places([like], model.heads, "head")[0]
    rows = [*range(len(model.heads)), row]
    return _with_heads(potential, [*model.heads, name], rows, f"added the head {name} like {model.heads[row]}")


def _with_heads(potential: Potential, names: list[str], rows: list[int], note: str) -> Potential:
    model = _mace(potential)
    baseline = Baseline(**(model.baseline.arguments | {"heads": names}))
    new = _built(model, baseline=baseline)
    factor = (len(rows) / len(model.heads)) ** 0.5
    state = model.state_dict()
    found = {f"baseline.{name}": state[f"baseline.{name}"][rows] for name in ("e0", "scale", "shift")}
    for name, part in model.named_modules():
        if isinstance(part, ScaledLinear):
            found[f"{name}.weight"] = part.weight[:, rows]
        elif isinstance(part, GroupedMLP):
            found |= {f"{name}.first": part.first[:, rows], f"{name}.last": part.last[rows] * factor}
            if part.middle is not None and part.middle_bias is not None and part.last_bias is not None:
                found |= {f"{name}.middle": part.middle[rows] * factor}
                found |= {f"{name}.middle_bias": part.middle_bias[rows], f"{name}.last_bias": part.last_bias[rows]}
    return _filled(potential, new, state | found, note)


def _mace(potential: Potential) -> MACE:
    if not isinstance(potential.model, MACE):
        kind = type(potential.model).__name__
        raise WiringError(f"elements and heads can be edited in MACE models, but this is a {kind}; train it anew")
    return potential.model


def _places(wanted: Sequence[str], known: Sequence[str], what: str) -> list[int]:
    if isinstance(wanted, str) or not wanted or len(set(wanted)) != len(wanted):
        raise WiringError(f"{what}s should be a list of distinct names, but is {wanted!r}")
    for name in wanted:
        if name not in known:
            raise WiringError(f"no {what} {name!r} in this potential{nearest(name, known)}")
    return [list(known).index(name) for name in wanted]


def _of_elements(part: Part | None, rows: list[int]) -> Part | None:
    """A repulsion or transform for some of its elements."""
    if part is None:
        return None
    arguments = part.arguments
    if "elements" not in arguments or not ("radii" in arguments or isinstance(part, DistanceTransform)):
        raise WiringError(f"the elements of a {type(part).__name__} cannot be edited; it is a part of your own")
    arguments["elements"] = [arguments["elements"][row] for row in rows]
    if arguments.get("radii") is not None:
        arguments["radii"] = [arguments["radii"][row] for row in rows]
    return type(part)(**arguments)


def _built(model: MACE, **changed: Any) -> MACE:
    with torch.random.fork_rng(devices=[]):
        return MACE(**(model.arguments | changed))


def _filled(potential: Potential, new: MACE, state: dict[str, Tensor], note: str) -> Potential:
    new.to(device=potential.device, dtype=potential.model.dtype)
    new.load_state_dict(state)
    metadata = deepcopy(potential.metadata)
    metadata["edits"] = [*metadata.get("edits", []), note]
    edited = Potential(new.eval(), metadata)
    return edited.train(potential.training)
