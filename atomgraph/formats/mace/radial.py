"""Arguments of radial functions, distance transforms and repulsion from a MACE file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase.data import atomic_numbers

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.nn import ZBL, Agnesi, Soft

_BASES = {"BesselBasis": "bessel", "GaussianBasis": "gaussian", "ChebychevBasis": "chebyshev"}


def radial_arguments(tree: Tree, elements: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of ``RadialEmbedding``, without elements and cutoff.

    Args:
        tree: The module ``radial_embedding`` of the file.
        elements: Chemical symbols of the model.
    """
    basis = tree["bessel_fn"]
    if basis.kind not in _BASES:
        raise FormatError(f"the radial basis is a {basis.kind}; atomgraph supports {', '.join(_BASES)}")
    result: dict[str, Any] = {
        "n_radial": tree.attribute("out_dim", int),
        "basis": _BASES[basis.kind],
        "p": _integer_if_whole(float(tree.tensor("cutoff_fn.p"))),
        "envelope_on": "features" if tree.attributes.get("apply_cutoff", True) else "messages",
        "trainable": bool(basis.parameters),
        "transform": _transform(tree.get("distance_transform"), elements),
    }
    if basis.kind == "BesselBasis":
        result["prefactor"] = float(basis.tensor("prefactor"))
    if basis.kind == "ChebychevBasis":
        result["differentiable"] = False  # mace-torch computes no derivatives of its Chebyshev functions
    if basis.kind == "GaussianBasis":
        result["prefactor"] = float(basis.attribute("coeff", float, int))
    return result


def repulsion(tree: Tree, elements: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of ``Baseline`` for a repulsion; empty if the file has no repulsion.

    Args:
        tree: The root module of the file.
        elements: Chemical symbols of the model.
    """
    zbl = tree.get("pair_repulsion_fn")
    if zbl is None:
        return {}
    part = ZBL(
        elements,
        _integer_if_whole(float(zbl.tensor("p"))),
        _radii(zbl, elements),
        zbl.tensor("c").tolist(),
        float(zbl.tensor("a_exp")),
        float(zbl.tensor("a_prefactor")),
    )
    return {"repulsion": part, "scales_repulsion": "scale_shift" in tree}


def _transform(tree: Tree | None, elements: Sequence[str]) -> Agnesi | Soft | None:
    """Return the distance transform; None if the file has none."""
    if tree is None:
        return None
    radii = _radii(tree, elements)
    if tree.kind == "AgnesiTransform":
        a, q, p = (float(tree.tensor(name)) for name in ("a", "q", "p"))
        return Agnesi(elements, a, q, p, radii)
    if tree.kind == "SoftTransform":
        return Soft(elements, float(tree.tensor("alpha")), radii)
    raise FormatError(
        f"the distances are transformed by a {tree.kind}; atomgraph supports AgnesiTransform and SoftTransform"
    )


def _radii(tree: Tree, elements: Sequence[str]) -> list[float]:
    """Return the covalent radius of each element, Å."""
    table = tree.tensor("covalent_radii")
    return [float(table[atomic_numbers[symbol]]) for symbol in elements]


def _integer_if_whole(number: float) -> float:
    """Return a whole number as an integer, and other numbers unchanged."""
    return int(number) if number == int(number) else number
