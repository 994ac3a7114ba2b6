"""Perceptrons of schnetpack: modules ``Dense`` in a row, each with an activation function."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.nn.activation import ACTIVATIONS

_NAMES = {"swish": "silu", "shiftedsoftplus": "shifted_softplus"}  # other names of activation functions
# settings of modules of activation functions: the only supported value
_SETTINGS = {"beta": 1.0, "alpha": 1.0, "approximate": "none", "threshold": 20}


@dataclass(frozen=True)
class Perceptron:
    """A perceptron of the file.

    Attributes:
        weights: Matrices, (width, next width) each.
        biases: Biases, (next width,) each; None for layers without bias.
        activation: Activation function of the hidden layers, in ``nn.activation.ACTIVATIONS``; ``silu`` without hidden layers.
    """

    weights: list[Tensor]
    biases: list[Tensor | None]
    activation: str

    @property
    def hidden(self) -> list[int]:
        """Widths of the hidden layers."""
        return [weight.shape[1] for weight in self.weights[:-1]]

    def state(self, name: str) -> dict[str, Tensor]:
        """Return the entries of the state dict of a ``nn.mlp.MLP`` with this name.

        Raises:
            FormatError: If a layer has no bias.
        """
        state = {}
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if bias is None:
                raise FormatError(f"the layer {depth} of the perceptron {name} has no bias, which is not supported")
            state[f"{name}.weights.{depth}"], state[f"{name}.biases.{depth}"] = weight[None], bias[None]
        return state


def read_perceptron(tree: Tree, path: str) -> Perceptron:
    """Return the perceptron at a dotted path.

    Raises:
        FormatError: If a layer is missing or damaged, or hidden layers have different activation functions.
    """
    module = tree[path]
    layers = [module] if module.kind == "Dense" else [module[str(depth)] for depth in range(len(module.children))]
    if not layers:
        raise FormatError(f"the perceptron {path} has no layers")
    names = [activation_name(layer, f"{path}.{depth}") for depth, layer in enumerate(layers)]
    if names[-1] != "identity" or len(set(names[:-1])) > 1:
        raise FormatError(
            f"the perceptron {path} should have one activation function in all hidden layers and none in the last, but has "
            f"{', '.join(names)}"
        )
    weights: list[Tensor] = []
    for depth, layer in enumerate(layers):
        weight = layer.tensor("weight")
        if weight.ndim != 2 or (weights and weight.shape[1] != weights[-1].shape[1]):
            raise FormatError(f"the weight of {path}.{depth} does not fit the layer before")
        weights.append(weight.T)
    biases = [layer.find_tensor("bias") for layer in layers]
    return Perceptron(weights, biases, names[0] if len(names) > 1 else "silu")


def activation_name(layer: Tree, path: str, attribute: str = "activation") -> str:
    """Return the name of the activation function of a layer, which is stored as a function or as a module.

    Args:
        layer: The layer.
        path: Dotted path of the layer, for messages.
        attribute: Name of the attribute or child of the layer.

    Raises:
        FormatError: If atomgraph does not have the function.
    """
    module = layer.get(attribute)
    value = layer.attributes.get(attribute)
    stored_name = str(value) if module is None else f"{module.module}.{module.kind}"
    name = stored_name.rpartition(".")[2].lower().strip("<>")
    name = _NAMES.get(name, name)
    if stored_name.strip("<").split(".")[0] not in ("torch", "schnetpack") or name not in ACTIVATIONS:
        raise FormatError(
            f"the layer {path} has the activation function {stored_name[:80]}; atomgraph has {', '.join(ACTIVATIONS)}"
        )
    if module is not None:
        for setting, expected in _SETTINGS.items():
            number = module.find_tensor(setting)
            actual = float(number) if number is not None and number.numel() == 1 else module.attributes.get(setting)
            if number is not None and number.numel() != 1:
                actual = "several numbers"
            if actual not in (None, expected):
                raise FormatError(
                    f"the activation {stored_name} of {path} has {setting} = {actual}; only {expected} is supported"
                )
    return name
