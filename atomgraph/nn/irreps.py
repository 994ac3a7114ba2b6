"""Which columns of a feature tensor are invariant scalars."""

from __future__ import annotations

from e3nn import o3

from atomgraph.errors import WiringError


def as_irreps(features: o3.Irreps | str | int) -> o3.Irreps:
    """Irreps as they are given: irreps, their text such as ``"8x0e+8x1o"``, or a number of scalars.

    Raises:
        WiringError: For text that names no irreps, or a number below one.
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
    """Irreps of features that are invariant scalars, for a part that reads nothing else.

    Args:
        features: As ``as_irreps`` takes them.
        part: Name of the part, for the error.

    Raises:
        WiringError: If there are other irreps than ``0e``.
    """
    irreps = as_irreps(features)
    if any(irrep != o3.Irrep("0e") for _, irrep in irreps):
        raise WiringError(f"{part} takes invariant scalars (0e), but was given {irreps}")
    return irreps


def scalar_columns(irreps: o3.Irreps) -> list[int]:
    """The columns of ``0e``, in order: what a rotation and a reflection leave alone."""
    spans = zip(irreps.slices(), irreps, strict=True)
    return [column for span, (_, irrep) in spans if irrep == o3.Irrep("0e") for column in range(span.start, span.stop)]
