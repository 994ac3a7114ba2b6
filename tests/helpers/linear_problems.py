"""Linear problems with planted weights, for the tests of solvers."""

import torch

from atomgraph.fitting.solvers.streaming_qr import StreamingQR


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reduce(X, y):
    y = y[:, None] if y.dim() == 1 else y
    streamed = StreamingQR(X.shape[1], y.shape[1])
    streamed.absorb(X, y)
    return streamed.triangular_factor()


def planted(n_rows, weights, noise, seed=0):
    """X, y = Xw + noise for weights (n, k)."""
    X = normal(n_rows, len(weights), seed=seed)
    return X, X @ weights + noise * normal(n_rows, weights.shape[1], seed=seed + 1)
