"""Structures and what mace-torch says of them: runs in mace-torch's environment, imports nothing of atomgraph."""

import json

import numpy as np
import torch
from ase.data import atomic_numbers
from mace import data
from mace.tools import AtomicNumberTable, torch_geometric

KEPT = ("energy", "node_energy", "interaction_energy", "forces", "stress", "virials", "node_feats")
CUBE = 3.7 * np.eye(3)
SKEW = np.array([[3.9, 0.2, -0.4], [1.1, 4.3, 0.3], [-0.7, 0.9, 4.8]])
SLAB = np.array([[4.2, 0.0, 0.0], [1.0, 4.6, 0.0], [0.0, 0.0, 22.0]])
WIRE = np.diag([4.4, 14.0, 15.0])


def structures(elements, states=False, few=False):
    """By name: an atom, dimers near and far, a molecule, crystals smaller than the cutoff and left-handed, open ones."""
    zs = sorted(atomic_numbers[symbol] for symbol in elements)
    rng = np.random.default_rng(11)
    built = {}

    def add(name, count, positions, cell=None, pbc=(False, False, False), start=0):
        cell = np.zeros((3, 3)) if cell is None else cell
        built[name] = {
            "numbers": [zs[(start + k) % len(zs)] for k in range(count)],
            "positions": np.asarray(positions, float).reshape(count, 3).tolist(),
            "cell": np.asarray(cell, float).tolist(),
            "pbc": list(pbc),
        }

    def spread(count, cell, stretch=(1.0, 1.0, 1.0)):
        best, apart = None, -1.0
        shifts = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
        for _ in range(200):
            x = rng.random((count, 3)) * np.array(stretch) @ cell
            d = np.linalg.norm(x[:, None, None] - x[None, :, None] + shifts @ cell, axis=-1)
            nearest = d[d > 1e-9].min()
            if nearest > apart:
                best, apart = x, nearest
        return best

    full = (True, True, True)
    add("triclinic", 5, spread(5, SKEW), SKEW, full, start=1)
    if few:
        return built
    add("atom", 1, [[0.3, -0.2, 0.1]])
    add("dimer_short", 2, [[0.0, 0.0, 0.0], [0.35, 0.4, 0.21]])
    add("dimer_far", 2, [[0.0, 0.0, 0.0], [5.0, 5.2, 1.0]])
    add("molecule", 7, spread(7, 4.6 * np.eye(3)))
    add("cubic", 4, spread(4, CUBE), CUBE, full)
    add("primitive", 1, [[0.1, 0.2, 0.3]], 0.62 * SKEW, full, start=1)
    add("left_handed", 4, spread(4, SKEW[[1, 0, 2]]), SKEW[[1, 0, 2]], full, start=2)
    add("slab", 6, spread(6, SLAB, (1.0, 1.0, 0.25)), SLAB, (True, True, False))
    add("wire", 4, spread(4, WIRE, (1.0, 0.2, 0.2)), WIRE, (True, False, False))
    if states:
        pairs = [(0, 1), (1, 2), (-1, 2), None, (2, 3), (-2, 1), (0, 3), (1, 4), (-1, 2), None]
        for entry, pair in zip(built.values(), pairs, strict=True):
            if pair is not None:
                entry["info"] = {"charge": pair[0], "spin": pair[1]}
    return built


def differentiable_chebyshev(x, n):
    """T_n(x) by its recurrence: torch's own has no derivative, so that forces through it are not those of the energy."""
    terms = [torch.ones_like(x[:, :1]), x[:, :1]]
    while len(terms) <= n.shape[1]:
        terms.append(2 * x[:, :1] * terms[-1] - terms[-2])
    return torch.cat(terms[1:], dim=1)  # n is 1, 2, ... in every row


def evaluate(model, entry, head):
    """The arrays of ``KEPT`` that the model gives for one structure, in torch's default dtype."""
    heads = getattr(model, "heads", None) or ["Default"]
    info = entry.get("info", {})
    config = data.Configuration(
        atomic_numbers=np.array(entry["numbers"]),
        positions=np.array(entry["positions"]),
        properties={"total_charge": info.get("charge", 0), "total_spin": info.get("spin", 1)},
        property_weights={},
        cell=np.array(entry["cell"]),
        pbc=tuple(entry["pbc"]),
        head=head,
    )
    table = AtomicNumberTable([int(z) for z in model.atomic_numbers])
    graph = data.AtomicData.from_config(config, z_table=table, cutoff=float(model.r_max), heads=heads)
    batch = next(iter(torch_geometric.dataloader.DataLoader([graph], batch_size=1, shuffle=False)))
    out = model(batch.to_dict(), compute_stress=True, compute_virials=True)
    result = {key: out[key].detach().numpy() for key in KEPT if out.get(key) is not None}
    if type(model.radial_embedding.bessel_fn).__name__ == "ChebychevBasis":
        special = torch.special.chebyshev_polynomial_t
        torch.special.chebyshev_polynomial_t = differentiable_chebyshev
        try:
            right = model(batch.to_dict(), compute_stress=True, compute_virials=True)
        finally:
            torch.special.chebyshev_polynomial_t = special
        for key in ("forces", "stress", "virials"):
            result[f"slope_{key}"] = right[key].detach().numpy()
    result["energy"] = result["energy"].astype(float)
    return result


def all_numbers(path, entries, single=False):
    """The arrays of an .npz for the file at ``path``, read back from disk: in float64, and in float32 where asked."""
    arrays = {}
    for dtype in ("float32", "float64") if single else ("float64",):
        torch.set_default_dtype(getattr(torch, dtype))
        model = torch.load(path, map_location="cpu", weights_only=False)
        model = model.to(getattr(torch, dtype)).eval()
        for name, entry in entries.items():
            for head in getattr(model, "heads", None) or ["Default"]:
                for key, value in evaluate(model, entry, head).items():
                    arrays[f"{dtype}/{name}/{head}/{key}"] = value
    torch.set_default_dtype(torch.float64)
    return arrays


def write(folder, name, options, entries, single=False):
    """NAME.npz, NAME.json and structures-NAME.json beside NAME.model."""
    arrays = all_numbers(folder / f"{name}.model", entries, single)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    (folder / f"structures-{name}.json").write_text(json.dumps(entries, indent=1))
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "options": options}, indent=1, default=str))
    return arrays
