"""Ten steps of training by mace-torch: the loss and every gradient, for atomgraph to repeat.

    python first_ten_steps.py OUT    (in an environment with mace-torch 0.3.16; reads examples/data/mlearn_Si)

OUT gets ``batches.extxyz``, three models as they start (NAME.model) and, for two optimisers, NAME-OPTIMISER.npz with
``STEP/loss`` and ``STEP/grad/PARAMETER``. tests/training/test_first_steps_refs.py compares.
"""

import gzip
import os
import sys
from pathlib import Path

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # e3nn 0.4.4 loads its own constants

import ase.io
import numpy as np
import torch
from e3nn import o3
from mace import data, modules, tools
from mace.modules.loss import WeightedEnergyForcesLoss
from mace.tools import torch_geometric

SILICON = Path(__file__).parents[3] / "examples/data/mlearn_Si/train.xyz.gz"
CUTOFF, STEPS = 4.5, 10
COMMON = {
    "atomic_inter_scale": 0.9, "atomic_inter_shift": 0.05, "r_max": CUTOFF, "num_bessel": 8, "num_polynomial_cutoff": 5,
    "max_ell": 2, "num_interactions": 2, "num_elements": 1, "hidden_irreps": o3.Irreps("8x0e+8x1o"),
    "MLP_irreps": o3.Irreps("16x0e"), "gate": torch.nn.functional.silu, "atomic_energies": np.array([-4.9]),
    "avg_num_neighbors": 20.5, "atomic_numbers": [14], "correlation": 3, "radial_MLP": [16, 16],
}  # fmt: skip
VARIANTS = {  # first interaction, later ones, further arguments
    "residual": ("RealAgnosticResidual", "RealAgnosticResidual", {}),
    "density": (
        "RealAgnosticDensity", "RealAgnosticDensityResidual", {"distance_transform": "Agnesi", "pair_repulsion": True},
    ),
    "nonlinear": (
        "RealAgnosticResidualNonLinear", "RealAgnosticResidualNonLinear",
        {"apply_cutoff": False, "use_agnostic_product": True, "edge_irreps": o3.Irreps("4x0e+4x1o"),
         "use_edge_irreps_first": True},
    ),
}  # fmt: skip


def main(out):
    """Write everything into the folder."""
    torch.set_default_dtype(torch.float64)
    out.mkdir(parents=True, exist_ok=True)
    with gzip.open(SILICON, "rt") as file:
        frames = ase.io.read(file, index=":60:5", format="extxyz")
    ase.io.write(out / "batches.extxyz", frames, format="extxyz")
    graphs = [graph_of(atoms) for atoms in frames]
    for name, (first, later, further) in VARIANTS.items():
        torch.manual_seed(5)
        blocks = {
            "interaction_cls_first": modules.interaction_classes[f"{first}InteractionBlock"],
            "interaction_cls": modules.interaction_classes[f"{later}InteractionBlock"],
        }
        torch.save(modules.ScaleShiftMACE(**COMMON, **blocks, **further), out / f"{name}.model")
        for optimizer in ("plain", "groups"):
            model = torch.load(out / f"{name}.model", weights_only=False)
            np.savez(out / f"{name}-{optimizer}.npz", **steps(model, optimizer, graphs))


def graph_of(atoms):
    """mace-torch's graph, with the labels under its own keys."""
    copy = atoms.copy()
    copy.info["REF_energy"] = float(atoms.get_potential_energy())
    copy.arrays["REF_forces"] = atoms.get_forces()
    keys = data.KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
    config = data.config_from_atoms(copy, key_specification=keys)
    return data.AtomicData.from_config(config, z_table=tools.AtomicNumberTable([14]), cutoff=CUTOFF)


def optimizer_of(model, kind):
    """Adam on everything, or amsgrad with weight decay on mace-torch's usual groups."""
    if kind == "plain":
        return torch.optim.Adam(model.parameters(), lr=0.01)
    decaying = [p for n, p in model.interactions.named_parameters() if "linear.weight" in n or "skip_tp.weight" in n]
    decaying += list(model.products.parameters())
    ids = {id(p) for p in decaying}
    rest = [p for p in model.parameters() if id(p) not in ids]
    groups = [{"params": decaying, "weight_decay": 5e-7}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.Adam(groups, lr=0.01, amsgrad=True)


def steps(model, kind, graphs):
    """Loss and gradients of ten steps, two structures each."""
    optimizer, loss_of, result = optimizer_of(model, kind), WeightedEnergyForcesLoss(1.0, 100.0), {}
    for step in range(STEPS):
        pair = [graphs[step % len(graphs)], graphs[(step + 1) % len(graphs)]]
        batch = torch_geometric.batch.Batch.from_data_list(pair)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(pred=model(batch.to_dict(), training=True, compute_force=True), ref=batch)
        loss.backward()
        result[f"{step}/loss"] = loss.detach().numpy()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                result[f"{step}/grad/{name}"] = parameter.grad.numpy().copy()
        optimizer.step()
    return result


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
