"""Checkpoints of mace-torch over its variants, with its own numbers beside them: ``checkpoints.py OUT [NAME ...]``.

Runs in an environment of its own with mace-torch 0.3.16, and TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1. What is there stays.
"""

import sys
import time
import traceback
import zlib
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from changes import CHANGES
from e3nn import o3
from mace import modules
from numbers_of import evaluate, structures, write
from refused import write_refused
from variants import VARIANTS

BLOCK = "RealAgnostic{}InteractionBlock"
DEFAULTS = {
    "cls": "ScaleShiftMACE",
    "dtype": "float64",
    "elements": ["H", "O", "Si"],
    "r_max": 4.5,
    "num_bessel": 6,
    "p": 5,
    "l_max": 2,
    "first": "Residual",
    "later": "Residual",
    "layers": 2,
    "hidden": "6x0e+6x1o",
    "mlp": "5x0e",
    "correlation": 2,
    "gate": "silu",
    "avg": 7.3,
    "radial_MLP": [10, 9],
    "heads": ["Default"],
}


def build(name, options):
    """The model of one variant: seeded weights, then the changes that the variant asks for."""
    o = {**DEFAULTS, **options}
    seed = zlib.crc32(name.encode())
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    torch.set_default_dtype(getattr(torch, o["dtype"]))
    n_heads, elements = len(o["heads"]), o["elements"]
    e0 = -1.0 - 6.0 * rng.random((n_heads, len(elements)))
    scale, shift = 0.6 + 0.5 * rng.random(n_heads), 0.4 * rng.standard_normal(n_heads)
    kwargs = dict(
        r_max=o["r_max"],
        num_bessel=o["num_bessel"],
        num_polynomial_cutoff=o["p"],
        max_ell=o["l_max"],
        interaction_cls_first=getattr(modules, BLOCK.format(o["first"])),
        interaction_cls=getattr(modules, BLOCK.format(o["later"])),
        num_interactions=o["layers"],
        num_elements=len(elements),
        hidden_irreps=o3.Irreps(o["hidden"]),
        MLP_irreps=o3.Irreps(o["mlp"]),
        gate=modules.gate_dict[o["gate"]],
        atomic_energies=e0[0] if n_heads == 1 else e0,
        avg_num_neighbors=o["avg"],
        atomic_numbers=[atomic_numbers[symbol] for symbol in elements],
        correlation=o["correlation"],
        radial_MLP=o["radial_MLP"],
        heads=o["heads"],
        **o.get("more", {}),
    )
    if kwargs.get("edge_irreps"):
        kwargs["edge_irreps"] = o3.Irreps(kwargs["edge_irreps"])
    if kwargs.get("readout_cls"):
        kwargs["readout_cls"] = getattr(modules.blocks, kwargs["readout_cls"])
    if o["cls"] == "ScaleShiftMACE":
        first = n_heads == 1
        kwargs |= {
            "atomic_inter_scale": float(scale[0]) if first else scale.tolist(),
            "atomic_inter_shift": float(shift[0]) if first else shift.tolist(),
        }
    model = getattr(modules, o["cls"])(**kwargs)
    stir(model)
    for change in o.get("changes", []):
        model = CHANGES[change](model) or model
    return model


@torch.no_grad()
def stir(model):
    """Away from the values where a mistake would not show: norms, biases, tables and the two scalars of a block."""
    for name, p in model.named_parameters():
        last = name.rpartition(".")[2]
        if last == "alpha":
            p.copy_(1.5 + torch.rand(()))
        elif last == "beta":
            p.copy_(0.3 + torch.rand(()))
        elif "source_embedding" in name or "target_embedding" in name:
            p.copy_(torch.randn_like(p))
        elif last == "bias" or ".net." in name:
            p.add_(0.3 * torch.randn_like(p))


def enlarge(model, target=1.0):
    """Multiply what the readouts end with, so that features of this spread in molecule and crystal give energies of eV."""
    entries = structures([chemical_symbols[int(z)] for z in model.atomic_numbers])
    head = (getattr(model, "heads", None) or ["Default"])[0]
    spread = max(float(evaluate(model, entries[name], head)["node_feats"].std()) for name in ("molecule", "triclinic"))
    with torch.no_grad():
        for readout in model.readouts:
            for name, p in readout.named_parameters():
                if name.startswith(("linear.", "linear_2.")) and "lora" not in name:
                    p.mul_(target / max(spread, 1e-3))


def main(out, names):
    """Make what is asked for and not there yet; the refused files last."""
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, options in VARIANTS.items():
        if (names and name not in names) or (out / f"{name}.npz").exists():
            continue
        began = time.time()
        try:
            model = build(name, options)
            enlarge(model)
            torch.save(model, out / f"{name}.model")
            entries = structures(
                options.get("elements", DEFAULTS["elements"]), "states" in options, options.get("few", False)
            )
            arrays = write(out, name, {**DEFAULTS, **options}, entries, options.get("single", False))
            sizes = [abs(v).max() for k, v in arrays.items() if k.startswith("float64") and k.endswith("/energy")]
            good = all(np.isfinite(v).all() for v in arrays.values())
            print(f"{name}: energies to {max(sizes):.3g} eV, finite {good}, {time.time() - began:.0f} s", flush=True)
        except Exception:
            failed.append(name)
            print(f"{name}: FAILED", flush=True)
            traceback.print_exc()
    if not names:
        write_refused(out / "refuse", build)
    print("failed:", failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
