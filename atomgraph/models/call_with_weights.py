"""Call of a module with other weights, which also works if modules share a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def call_with_weights(
    module: torch.nn.Module,
    weights: Mapping[str, Tensor],
    arguments: Sequence[Any],
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return the output of a module that has other weights during the call.

    ``torch.func.functional_call`` does not restore the weights of a part that a module contains twice, unless ``tie_weights``
    is False. A part is replaced under one name here, and is the same part under its other names.

    Args:
        module: The module.
        weights: Weights by name, as in ``module.named_parameters()``.
        arguments: Arguments by position.
        options: Arguments by name.
    """
    return torch.func.functional_call(module, dict(weights), tuple(arguments), dict(options or {}), tie_weights=False)
