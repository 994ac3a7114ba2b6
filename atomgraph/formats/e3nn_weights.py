"""Translation of weights of nequip and SevenNet, two programs that use e3nn, to the arrays of atomgraph's ``NequIP``.

The spherical harmonics of e3nn are those of atomgraph, but the edge vectors of both programs point from the centre to the
neighbour, and e3nn changed the signs of some Wigner 3j symbols after version 0.4.4. Each path of a convolution therefore has a
sign, by which the weights of the path are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.nn.equivariant.convolution import Path
from atomgraph.ops.coupling import FLIPPED_SIGNS


def split_linear(flat: Tensor, irreps_in: Iterable, irreps_out: Iterable) -> dict[str, Tensor]:
    """Split the flat weights of ``e3nn.o3.Linear`` into one matrix per irrep, (n_in, n_out).

    Args:
        flat: Weights; for each input block, its matrix with the output block of the same irrep, row by row.
        irreps_in: Blocks (channels, irrep) of the input, each irrep once.
        irreps_out: Blocks (channels, irrep) of the output, each irrep once.

    Raises:
        ValueError: If the number of weights is not the one of these irreps.
    """
    outputs = {irrep: n for n, irrep in irreps_out}
    shapes = {str(irrep): (n, outputs[irrep]) for n, irrep in irreps_in if irrep in outputs}
    return _split(flat, shapes)


def split_element_linear(flat: Tensor, n_second: int, irreps_in: Iterable, irreps_out: Iterable) -> dict[str, Tensor]:
    """Split the flat weights of ``e3nn.o3.FullyConnectedTensorProduct`` into matrices per irrep, (n_second, n_in, n_out).

    Args:
        flat: Weights, (n_in, n_second, n_out) for each input block.
        n_second: Number of components of the second input: elements, or components of an embedding.
        irreps_in: Blocks (channels, irrep) of the input, each irrep once.
        irreps_out: Blocks (channels, irrep) of the output, each irrep once.

    Raises:
        ValueError: If the number of weights is not the one of these irreps.
    """
    outputs = {irrep: n for n, irrep in irreps_out}
    shapes = {str(irrep): (n, n_second, outputs[irrep]) for n, irrep in irreps_in if irrep in outputs}
    return {name: block.permute(1, 0, 2) for name, block in _split(flat, shapes).items()}


def _split(flat: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Split an array into blocks of these shapes, by name; ValueError if its size is not the sum of their sizes."""
    sizes = [torch.Size(shape).numel() for shape in shapes.values()]
    if flat.numel() != sum(sizes):
        raise ValueError(
            f"expected {sum(sizes)} weights for the irreps {', '.join(shapes)}, but the file has {flat.numel()}"
        )
    blocks = flat.flatten().split(sizes)
    return {name: block.view(shape) for (name, shape), block in zip(shapes.items(), blocks, strict=True)}


def paths_in_input_order(layer: NequIPLayer, targets: set[o3.Irrep] | None = None) -> list[Path]:
    """Paths of the convolution in nequip's order: by input irrep, then by degree of the harmonics, then by output degree.

    Args:
        layer: Layer with the input irreps and the harmonics.
        targets: Irreps of messages; None: those of the layer.
    """
    targets = {irrep for _, irrep in layer.gate.irreps_in} if targets is None else targets
    return [
        Path(feature, harmonic, message)
        for _, feature in layer.irreps_in
        for _, harmonic in layer.harmonics
        for message in feature * harmonic
        if message in targets
    ]


def path_sign(path: Path, e3nn_044: bool = False) -> int:
    """Sign of the weights of a path relative to nequip and SevenNet.

    Args:
        path: Path of a convolution.
        e3nn_044: Whether the weights belong to the Wigner 3j symbols of e3nn 0.4.4, which are those of atomgraph.
    """
    degrees = tuple(sorted((path.feature.l, path.harmonics.l, path.message.l)))
    flipped = not e3nn_044 and degrees in FLIPPED_SIGNS
    return (-1) ** path.harmonics.l * (-1 if flipped else 1)


def coupling_sign(file_values: Tensor, values: Tensor, max_error: float, noun: str) -> int:
    """Return the sign s with file_values = s · values; FormatError if there is none.

    Args:
        file_values: Coupling coefficients in the file.
        values: Coupling coefficients of atomgraph, in the same shape.
        max_error: Largest accepted difference of coefficients.
        noun: Description of the coefficients, for the message.
    """
    sign = 1 if float((file_values * values).sum()) > 0 else -1
    if float((file_values * sign - values).abs().max()) > max_error:
        raise FormatError(f"the file has other numbers than e3nn for the {noun}")
    return sign


def reorder_path_weights(weights: Tensor, layer: NequIPLayer, file_paths: list[Path], signs: dict[Path, int]) -> Tensor:
    """Sort the columns of the last layer of a radial network by the paths of the layer, and multiply them by signs.

    Args:
        weights: Weights, (n_hidden, n_weights), or any tensor whose last axis runs over the paths and their channels.
        layer: Layer with the paths in atomgraph's order.
        file_paths: Paths in the order of the file. Paths that the layer does not have are dropped.
        signs: Sign of each path.

    Raises:
        ValueError: If the number of columns is not the one of the paths.
    """
    channels = {irrep: n for n, irrep in layer.irreps_in}
    sizes = [channels[path.feature] for path in file_paths]
    if weights.shape[-1] != sum(sizes):
        raise ValueError(f"expected {sum(sizes)} radial weights, but the file has {weights.shape[-1]}")
    columns = dict(zip(file_paths, weights.split(sizes, dim=-1), strict=True))
    return torch.cat([columns[path] * signs[path] for path in layer.convolution.paths], dim=-1)


def sorted_by_message(paths: list[Path]) -> list[Path]:
    """Return the paths sorted by the irrep of the message, odd before even; the order is otherwise kept."""
    return sorted(paths, key=lambda path: (path.message.l, path.message.p))
