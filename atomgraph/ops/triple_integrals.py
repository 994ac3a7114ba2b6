"""Integrals of products of three functions on the sphere in four dimensions, with little memory and all derivatives."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.ops.hyperspherical import harmonics_on_grid

_NUMBERS_AT_A_TIME = {"cpu": 1 << 17, "cuda": 1 << 26}  # function values on the grid that fit the cache or the device


def triples(n_max: int) -> list[tuple[int, int, int]]:
    """(n₁, n₂, n) with n₂ ≤ n₁ ≤ n, the triangle |n₁ − n₂| ≤ n ≤ n₁ + n₂ and an even sum, in LAMMPS's order."""
    return [
        (first, second, third)
        for first in range(n_max + 1)
        for second in range(first + 1)
        for third in range(first - second, min(n_max, first + second) + 1, 2)
        if third >= first
    ]


def classes_of_equals(n_max: int, n_channels: int) -> np.ndarray:
    """(n_channels³ · n_triples,): equal numbers for integrals of the same three functions in another order."""
    channels = product(range(n_channels), repeat=3)
    keys = [tuple(sorted(zip(t, c, strict=True))) for c in channels for t in triples(n_max)]
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys])


class TripleIntegrals:
    r"""Means of products of three functions, which are given by coefficients of harmonics.

    .. math:: I^{abc}_{n_1 n_2 n} = \langle f^a_{n_1} f^b_{n_2} f^c_n \rangle, \qquad f^a_n(g) = \sum_{lm} c_{anlm} Z_{nlm}(g)

    The mean over the sphere is a sum over a grid, exact for these degrees (``harmonics_on_grid``). It is computed as matrix
    products of pairs of functions with functions of the same parity, for small groups of atoms. Only the coefficients are
    stored for the derivatives.

    ``constants``: numbers for the call, by name.

    Args:
        n_max: Highest degree.
        n_channels: How many a, b, c there are.
    """

    def __init__(self, n_max: int, n_channels: int = 1):
        self.n_max, self.n_channels = n_max, n_channels
        functions = list(product(range(n_max + 1), range(n_channels)))  # (n, channel)
        of_parity = [[f for f in functions if f[0] % 2 == parity] for parity in (0, 1)]
        pairs = list(combinations_with_replacement(functions, 2))
        pairs_of_parity = [[p for p in pairs if (p[0][0] + p[1][0]) % 2 == parity] for parity in (0, 1)]
        places: dict[Any, int] = {}  # of (pair, function) among the integrals of all pairs with all of their parity
        for with_pairs, with_functions in zip(pairs_of_parity, of_parity, strict=True):
            places |= {key: len(places) + i for i, key in enumerate(product(with_pairs, with_functions))}
        self.shapes = [(len(p), len(f)) for p, f in zip(pairs_of_parity, of_parity, strict=True)]
        channels = product(range(n_channels), repeat=3)
        expected = [tuple(zip(t, c, strict=True)) for c in channels for t in triples(n_max)]
        three = [[(x, _pair(y, z)) for x, y, z in ((c, a, b), (a, b, c), (b, c, a))] for a, b, c in expected]
        numbers = {f: i for i, f in enumerate(functions)}
        degree = np.repeat(np.arange(n_max + 1), _sizes(n_max))
        self._of_parity = [np.flatnonzero(degree % 2 == parity) for parity in (0, 1)]  # harmonics
        self.constants: dict[str, Any] = {
            "grid": harmonics_on_grid(n_max),
            "left": np.array([numbers[p[0]] for ps in pairs_of_parity for p in ps]),
            "right": np.array([numbers[p[1]] for ps in pairs_of_parity for p in ps]),
            "places": np.array([[places[pair, function] for function, pair in ways] for ways in three]).T,
            "even": self._of_parity[0],
            "odd": self._of_parity[1],
            **self._jacobian_table(three, pairs_of_parity),
        }

    def __call__(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """(n_atoms, n_channels³ · n_triples): channels a, b, c outside, triples inside.

        Args:
            coefficients: (n_atoms, n_channels, (n_max + 1)(n_max + 2)(2 n_max + 3)/6), degree by degree.
            constants: ``self.constants`` as tensors on the coefficients' device, real ones in their dtype.
        """
        integrals: Tensor = _Apply.apply(coefficients, self, constants)
        return integrals

    def groups(self, coefficients: Tensor, grid: Tensor) -> int:
        """Number of atoms in a group."""
        numbers = _NUMBERS_AT_A_TIME["cuda" if coefficients.is_cuda else "cpu"]
        return max(1, numbers // (grid.shape[1] * (self.n_max + 1) * self.n_channels))

    def values(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """The integrals of one group of atoms."""
        f = self._functions(coefficients, constants["grid"])
        pairs = self._pairs(f, constants)
        parts = [(p @ f_of.mT).flatten(1) for p, f_of in zip(pairs, self._by_parity(f), strict=True)]
        return torch.cat(parts, dim=1).index_select(1, constants["places"][0])

    def vjp(self, coefficients: Tensor, weights: Tensor, constants: dict[str, Tensor]) -> Tensor:
        """Gradient of the weighted sum of the integrals of one group with respect to its coefficients."""
        grid, k, n = constants["grid"], self.n_channels, self.n_max
        sizes = [pairs * functions for pairs, functions in self.shapes]
        every = weights.new_zeros(len(weights), sum(sizes))
        every = every.index_add(1, constants["places"].flatten(), weights.repeat(1, 3))
        pairs = self._pairs(self._functions(coefficients, grid), constants)
        of_parity = [
            (weight.unflatten(1, shape).mT @ pair).unflatten(1, (-1, k))
            for weight, shape, pair in zip(every.split(sizes, dim=1), self.shapes, pairs, strict=True)
        ]
        harmonics = grid.split(_sizes(n))
        return torch.cat([of_parity[m % 2][:, m // 2] @ harmonics[m].T for m in range(n + 1)], dim=2)

    @torch.no_grad()
    def jacobian(self, coefficients: Tensor, constants: dict[str, Tensor]) -> Tensor:
        r"""Jacobian of the integrals, (n_atoms, n_channels³ · n_triples, n_channels, n_harmonics).

        By the product rule, :math:`\partial I/\partial c_{anlm} = \langle Z_{nlm} f^b_{n_2} f^c_{n_3} \rangle`, times two
        or three for equal functions: one matrix product of all pairs with all harmonics of their parity.
        """
        grid, n_atoms = constants["grid"], len(coefficients)
        harmonics = [grid[constants[parity]].T.contiguous() for parity in ("even", "odd")]
        result = coefficients.new_zeros(n_atoms, len(constants["places"][0]) * self.n_channels * len(grid))
        at_once = self.groups(coefficients, grid)
        for first in range(0, n_atoms, at_once):
            pairs = self._pairs(self._functions(coefficients[first : first + at_once], grid), constants)
            every = torch.cat([(p @ z).flatten(1) for p, z in zip(pairs, harmonics, strict=True)], dim=1)
            derivatives = every.index_select(1, constants["jacobian_from"]).mul_(constants["jacobian_times"])
            result[first : first + at_once].index_copy_(1, constants["jacobian_to"], derivatives)
        return result.view(n_atoms, -1, self.n_channels, len(grid))

    def _jacobian_table(self, three: list[Any], pairs_of_parity: list[Any]) -> dict[str, np.ndarray]:
        """Source, factor and target of each nonzero entry of ``jacobian``."""
        n_harmonics, sizes = sum(map(len, self._of_parity)), np.array(_sizes(self.n_max))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rows = [{pair: i for i, pair in enumerate(pairs)} for pairs in pairs_of_parity]
        source, times, target = [], [], []
        for integral, ways in enumerate(three):
            for (n, channel), pair in dict(ways).items():
                of_parity, mine = self._of_parity[n % 2], np.arange(starts[n], starts[n + 1])
                first = (n % 2) * len(rows[0]) * len(self._of_parity[0]) + rows[n % 2][pair] * len(of_parity)
                source.append(first + np.searchsorted(of_parity, mine))
                times.append(np.full(len(mine), float(sum(f == (n, channel) for f, _ in ways))))
                target.append((integral * self.n_channels + channel) * n_harmonics + mine)
        columns = {"jacobian_from": source, "jacobian_times": times, "jacobian_to": target}
        return {name: np.concatenate(parts) for name, parts in columns.items()}

    def _functions(self, coefficients: Tensor, grid: Tensor) -> Tensor:
        """(n_atoms, n_max + 1, n_channels, n_points)."""
        sizes = _sizes(self.n_max)
        degrees = zip(coefficients.split(sizes, dim=2), grid.split(sizes), strict=True)
        return torch.stack([c @ z for c, z in degrees], dim=1)

    def _by_parity(self, f: Tensor) -> tuple[Tensor, Tensor]:
        return f[:, ::2].flatten(1, 2), f[:, 1::2].flatten(1, 2)

    def _pairs(self, f: Tensor, constants: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Products of two functions, (n_atoms, n_pairs, n_points), of even parity and of odd."""
        rows = f.flatten(1, 2)
        pairs = rows.index_select(1, constants["left"]) * rows.index_select(1, constants["right"])
        return pairs.split([n_pairs for n_pairs, _ in self.shapes], dim=1)


class _Apply(torch.autograd.Function):
    """The integrals, with only the coefficients stored; the gradient consists of torch operations, so it has derivatives."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, integrals: TripleIntegrals, constants: dict[str, Tensor]) -> Tensor:
        ctx.save_for_backward(coefficients)
        ctx.integrals, ctx.constants = integrals, constants
        groups = coefficients.split(integrals.groups(coefficients, constants["grid"]))
        return torch.cat([integrals.values(group, constants) for group in groups])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (weights,), (coefficients,), integrals = upstream, ctx.saved_tensors, ctx.integrals
        n = integrals.groups(coefficients, ctx.constants["grid"])
        groups = zip(coefficients.split(n), weights.split(n), strict=True)
        return torch.cat([integrals.vjp(c, w, ctx.constants) for c, w in groups]), None, None


def _pair(first: tuple[int, int], second: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (first, second) if first <= second else (second, first)


def _sizes(n_max: int) -> list[int]:
    return [(n + 1) ** 2 for n in range(n_max + 1)]
