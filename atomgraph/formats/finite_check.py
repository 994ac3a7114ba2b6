"""Check that all numbers of a potential are finite."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from atomgraph.errors import FormatError


def check_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors have no NaN and no infinity.

    Args:
        what: Beginning of the error message, such as ``model.safetensors`` or ``cannot write x: the model``.
        tensors: Tensors by name.

    Raises:
        FormatError: If a number is not finite; the message names the tensors.
    """
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise FormatError(
            f"{what} holds numbers that are not finite ({', '.join(names[:3])}{more}); its training diverged (use an "
            "earlier checkpoint or a lower learning rate) or the file is damaged (copy or download it again)"
        )
