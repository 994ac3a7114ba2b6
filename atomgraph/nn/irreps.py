"""Irreps of features, and the columns of invariant scalars."""

from __future__ import annotations

from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError


def as_irreps(features: o3.Irreps | str | int) -> o3.Irreps:
    """Convert an argument to irreps.

    Args:
        features: Irreps, their text such as ``"8x0e+8x1o"``, or a number of scalars.

    Raises:
        WiringError: If the text does not describe irreps, or the number is below one.
    """
    if isinstance(features, int):
        if features < 1:
            raise WiringError(f"a part needs at least one feature, but was given {features}")
        return o3.Irreps(f"{features}x0e")
    try:
        return o3.Irreps(features)
    except ValueError:
        raise WiringError(f"features should be irreps such as '8x0e+8x1o' or a number, but are {features!r}") from None


def as_scalars(features: o3.Irreps | str | int, part: str) -> o3.Irreps:
    """Convert an argument to irreps, for a part that can read invariant scalars only.

    Args:
        features: Irreps, their text, or a number of scalars, as in ``as_irreps``.
        part: Name of the part, for the error message.

    Raises:
        WiringError: If there are other irreps than ``0e``.
    """
    irreps = as_irreps(features)
    if any(irrep != o3.Irrep("0e") for _, irrep in irreps):
        raise WiringError(f"{part} takes invariant scalars (0e), but was given {irreps}")
    return irreps


def scalar_columns(irreps: o3.Irreps) -> list[int]:
    """Return the columns of ``0e`` in order; rotations and reflections do not change these columns."""
    slices = zip(irreps.slices(), irreps, strict=True)
    return [
        column
        for columns, (_, irrep) in slices
        if irrep == o3.Irrep("0e")
        for column in range(columns.start, columns.stop)
    ]


def select_columns(h: Tensor, columns: list[int]) -> Tensor:
    """Return columns of features h, (n_atoms, n_features); h itself without a copy if the columns are all features."""
    return h if len(columns) == h.shape[1] else h[:, columns]
