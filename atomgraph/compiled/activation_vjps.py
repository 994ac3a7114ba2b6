"""Vector-Jacobian products of activation functions, for frozen perceptrons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.nn.activation import identity, shifted_softplus

#: VJP of each activation: the gradient with respect to the argument x, from the gradient with respect to the value, and x.
ACTIVATION_VJPS: dict[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]] = {
    torch.nn.functional.silu: torch.ops.aten.silu_backward,
    torch.nn.functional.softplus: lambda grad, x: torch.ops.aten.softplus_backward(grad, x, 1, 20),
    shifted_softplus: lambda grad, x: torch.ops.aten.softplus_backward(grad, x, 1, 20),
    torch.tanh: lambda grad, x: grad * (1.0 - torch.tanh(x).square()),
    torch.abs: lambda grad, x: grad * torch.sign(x),
    identity: lambda grad, x: grad,
    torch.nn.functional.gelu: lambda grad, x: torch.ops.aten.gelu_backward(grad, x),
    torch.nn.functional.mish: lambda grad, x: torch.ops.aten.mish_backward(grad, x),
}
