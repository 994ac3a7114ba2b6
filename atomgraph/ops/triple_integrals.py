"""Integrals of products of three functions on the sphere in four dimensions, with little memory and all derivatives."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.hyperspherical import harmonics_on_grid

# function values per group of atoms, which fit into the cache of a core or the memory of a GPU
_MAX_GRID_VALUES = {"cpu": 1 << 17, "cuda": 1 << 26}


def degree_triples(n_max: int) -> list[tuple[int, int, int]]:
    """Return the degrees (n₁, n₂, n) of all integrals, in LAMMPS's order.

    The degrees satisfy n₂ ≤ n₁ ≤ n ≤ n_max and n ≤ n₁ + n₂, and their sum is even.
    """
    return [
        (n1, n2, n)
        for n1 in range(n_max + 1)
        for n2 in range(n1 + 1)
        for n in range(n1 - n2, min(n_max, n1 + n2) + 1, 2)
        if n >= n1
    ]


def symmetry_classes(n_max: int, n_channels: int) -> np.ndarray:
    """Number the classes of equal integrals: integrals of the same three functions in any order have the same number.

    Returns:
        Class number of each integral, (n_channels³ · n_triples,), int.
    """
    channels = product(range(n_channels), repeat=3)
    keys = [tuple(sorted(zip(t, c, strict=True))) for c in channels for t in degree_triples(n_max)]
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys])


class TripleIntegrals:
    r"""Mean values over the sphere of products of three functions, computed from coefficients of harmonics.

    .. math:: I^{abc}_{n_1 n_2 n} = \langle f^a_{n_1} f^b_{n_2} f^c_n \rangle, \qquad f^a_n(g) = \sum_{lm} c_{anlm} Z_{nlm}(g)

    The mean over the sphere is a sum over a grid, exact for these degrees (``harmonics_on_grid``). The product of a pair of
    functions is multiplied with all functions whose degree has the same parity as the sum of the degrees of the pair; other
    integrals are zero. For each atom and parity this is one matrix product: pairs are rows, functions are columns, and the sum
    is over the grid. Groups of a few atoms limit the memory. Only the coefficients are stored for the derivatives.

    Args:
        n_max: Highest degree n.
        n_channels: Number of channels a, b, c.

    Attributes:
        constants: Arrays that the methods need, by name; the caller passes them as tensors.
    """

    def __init__(self, n_max: int, n_channels: int = 1):
        self.n_max, self.n_channels = n_max, n_channels
        functions = list(product(range(n_max + 1), range(n_channels)))  # (n, channel)
        functions_by_parity = [[f for f in functions if f[0] % 2 == parity] for parity in (0, 1)]
        pairs = list(combinations_with_replacement(functions, 2))
        pairs_by_parity = [[p for p in pairs if sum(n for n, _ in p) % 2 == parity] for parity in (0, 1)]
        product_index: dict[Any, int] = {}  # (pair, function): index of their product, even parity first
        for parity_pairs, parity_functions in zip(pairs_by_parity, functions_by_parity, strict=True):
            keys = product(parity_pairs, parity_functions)
            product_index |= {key: len(product_index) + i for i, key in enumerate(keys)}
        self._n_pairs, self._n_functions = list(map(len, pairs_by_parity)), list(map(len, functions_by_parity))
        channels = product(range(n_channels), repeat=3)
        integrands = [tuple(zip(t, c, strict=True)) for c in channels for t in degree_triples(n_max)]  # three functions
        # each integral of three functions in three forms: one function, times the pair of the other two
        forms = [[(x, _sorted_pair(y, z)) for x, y, z in ((c, a, b), (a, b, c), (b, c, a))] for a, b, c in integrands]
        function_index = {f: i for i, f in enumerate(functions)}
        degree = np.repeat(np.arange(n_max + 1), _harmonics_per_degree(n_max))
        self._harmonics_by_parity = [np.flatnonzero(degree % 2 == parity) for parity in (0, 1)]
        self.constants: dict[str, Any] = {
            "grid": harmonics_on_grid(n_max),
            "pair_left": np.array([function_index[p[0]] for ps in pairs_by_parity for p in ps]),
            "pair_right": np.array([function_index[p[1]] for ps in pairs_by_parity for p in ps]),
            # index of the product of each form of each integral, (3, n_channels³ · n_triples)
            "product_index": np.array([[product_index[pair, f] for f, pair in form] for form in forms]).T,
            "even": self._harmonics_by_parity[0],
            "odd": self._harmonics_by_parity[1],
            **self._jacobian_table(forms, pairs_by_parity),
        }

    def __call__(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """Compute the integrals of all atoms.

        Args:
            coefficients: Coefficients c, (n_atoms, n_channels, n_harmonics), sorted by degree;
                n_harmonics = (n_max + 1)(n_max + 2)(2 n_max + 3)/6.
            constants: ``self.constants`` as tensors on the device of the coefficients, real ones in their dtype.

        Returns:
            Integrals, (n_atoms, n_channels³ · n_triples); the triple of degrees changes fastest.
        """
        integrals: Tensor = _StoreCoefficientsOnly.apply(coefficients, self, constants)
        return integrals

    def group_size(self, coefficients: Tensor, grid: Tensor) -> int:
        """Number of atoms whose functions on the grid fit into the cache or the memory of the device."""
        max_values = _MAX_GRID_VALUES["cuda" if coefficients.is_cuda else "cpu"]
        return max(1, max_values // (grid.shape[1] * (self.n_max + 1) * self.n_channels))

    def values(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """Compute the integrals of one group of atoms; arguments and shapes as in ``__call__``."""
        functions = self._functions(coefficients, constants["grid"])
        pairs = self._pairs(functions, constants)
        products = [(p @ f.mT).flatten(1) for p, f in zip(pairs, self._split_by_parity(functions), strict=True)]
        return torch.cat(products, dim=1).index_select(1, constants["product_index"][0])

    def vjp(self, coefficients: Tensor, weights: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """Vector-Jacobian product: gradient of the weighted sum of integrals of one group with respect to its coefficients.

        Args:
            coefficients: Coefficients c, (n_atoms, n_channels, n_harmonics).
            weights: Weights of the integrals, (n_atoms, n_channels³ · n_triples).
            constants: As in ``__call__``.

        Returns:
            Gradient, (n_atoms, n_channels, n_harmonics).
        """
        grid, k, n = constants["grid"], self.n_channels, self.n_max
        shapes = list(zip(self._n_pairs, self._n_functions, strict=True))
        n_products = [n_pairs * n_functions for n_pairs, n_functions in shapes]
        product_weights = weights.new_zeros(len(weights), sum(n_products))
        # product rule: an integral has a gradient with respect to each of its three functions; equal functions add up
        product_weights = product_weights.index_add(1, constants["product_index"].flatten(), weights.repeat(1, 3))
        pairs = self._pairs(self._functions(coefficients, grid), constants)
        gradients = [  # with respect to the functions on the grid, for even and odd degrees
            (weight.unflatten(1, shape).mT @ pair).unflatten(1, (-1, k))
            for weight, shape, pair in zip(product_weights.split(n_products, dim=1), shapes, pairs, strict=True)
        ]
        harmonics = grid.split(_harmonics_per_degree(n))
        return torch.cat([gradients[l % 2][:, l // 2] @ harmonics[l].T for l in range(n + 1)], dim=2)

    @torch.no_grad()
    def jacobian(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        r"""Compute the Jacobian of the integrals with respect to the coefficients.

        By the product rule, :math:`\partial I^{abc}_{n_1 n_2 n} / \partial c_{a n_1 l m} = \langle Z_{n_1 l m} f^b_{n_2}
        f^c_n \rangle`, and in the same way for b and c. The factor is two or three if two or three of the functions are the
        same. All derivatives are entries of one matrix product for each parity: of pairs and harmonics.

        Returns:
            Jacobian, (n_atoms, n_channels³ · n_triples, n_channels, n_harmonics).
        """
        grid, n_atoms = constants["grid"], len(coefficients)
        harmonics = [grid[constants[parity]].T.contiguous() for parity in ("even", "odd")]
        result = coefficients.new_zeros(n_atoms, len(constants["product_index"][0]) * self.n_channels * len(grid))
        size = self.group_size(coefficients, grid)
        for start in range(0, n_atoms, size):
            pairs = self._pairs(self._functions(coefficients[start : start + size], grid), constants)
            means = torch.cat([(p @ z).flatten(1) for p, z in zip(pairs, harmonics, strict=True)], dim=1)
            derivatives = means.index_select(1, constants["jacobian_source"]).mul_(constants["jacobian_factor"])
            result[start : start + size].index_copy_(1, constants["jacobian_target"], derivatives)
        return result.view(n_atoms, -1, self.n_channels, len(grid))

    def _jacobian_table(self, forms: list[Any], pairs_by_parity: list[Any]) -> dict[str, np.ndarray]:
        """Describe the nonzero entries of ``jacobian``.

        Returns:
            For each entry, the column of ``means`` in ``jacobian`` (a pair times a harmonic), the factor 1, 2 or 3 of the
            product rule, and the column in the result.
        """
        n_harmonics = sum(map(len, self._harmonics_by_parity))
        starts = np.concatenate([[0], np.cumsum(_harmonics_per_degree(self.n_max))])
        rows = [{pair: i for i, pair in enumerate(pairs)} for pairs in pairs_by_parity]
        n_even_products = len(rows[0]) * len(self._harmonics_by_parity[0])
        sources, multiplicities, targets = [], [], []
        for integral, form in enumerate(forms):
            for (n, channel), pair in dict(form).items():  # each different function once
                parity_harmonics, harmonics = self._harmonics_by_parity[n % 2], np.arange(starts[n], starts[n + 1])
                start = (n % 2) * n_even_products + rows[n % 2][pair] * len(parity_harmonics)
                sources.append(start + np.searchsorted(parity_harmonics, harmonics))
                multiplicities.append(np.full(len(harmonics), float(sum(f == (n, channel) for f, _ in form))))
                targets.append((integral * self.n_channels + channel) * n_harmonics + harmonics)
        columns = {"jacobian_source": sources, "jacobian_factor": multiplicities, "jacobian_target": targets}
        return {name: np.concatenate(parts) for name, parts in columns.items()}

    def _functions(self, coefficients: Tensor, grid: Tensor) -> Tensor:
        """Functions f on the grid, (n_atoms, n_max + 1, n_channels, n_points)."""
        sizes = _harmonics_per_degree(self.n_max)
        degrees = zip(coefficients.split(sizes, dim=2), grid.split(sizes), strict=True)
        return torch.stack([c @ z for c, z in degrees], dim=1)

    def _split_by_parity(self, functions: Tensor) -> tuple[Tensor, Tensor]:
        """Functions of even and of odd degree, (n_atoms, n_functions, n_points) each."""
        return functions[:, ::2].flatten(1, 2), functions[:, 1::2].flatten(1, 2)

    def _pairs(self, functions: Tensor, constants: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Products of two functions whose degrees have an even or an odd sum, (n_atoms, n_pairs, n_points) each."""
        rows = functions.flatten(1, 2)
        pairs = rows.index_select(1, constants["pair_left"]) * rows.index_select(1, constants["pair_right"])
        return pairs.split(self._n_pairs, dim=1)

    groups = OldAttribute("group_size")
    slopes = OldAttribute("vjp")


class _StoreCoefficientsOnly(torch.autograd.Function):
    """The integrals; only the coefficients are stored for the gradient, which is differentiable because it is made of torch
    operations.
    """

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, integrals: TripleIntegrals, constants: dict[str, Tensor]) -> Tensor:
        ctx.save_for_backward(coefficients)
        ctx.integrals, ctx.constants = integrals, constants
        groups = coefficients.split(integrals.group_size(coefficients, constants["grid"]))
        return torch.cat([integrals.values(group, constants) for group in groups])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (weights,), (coefficients,), integrals = upstream, ctx.saved_tensors, ctx.integrals
        size = integrals.group_size(coefficients, ctx.constants["grid"])
        groups = zip(coefficients.split(size), weights.split(size), strict=True)
        return torch.cat([integrals.vjp(c, w, ctx.constants) for c, w in groups]), None, None


def _sorted_pair(a: tuple[int, int], b: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (a, b) if a <= b else (b, a)


def _harmonics_per_degree(n_max: int) -> list[int]:
    return [(n + 1) ** 2 for n in range(n_max + 1)]


__getattr__ = old_names_of(__name__)
