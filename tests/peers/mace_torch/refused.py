"""Files that a reader of MACE models must refuse: look-alikes, other classes, and a hostile one."""

import os
from pathlib import Path

import numpy as np
import torch
from e3nn import o3
from e3nn.util import jit
from mace import modules

SENTINEL = "atomgraph-hostile-pickle-ran"


class Hostile(torch.nn.Module):
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {Path('/tmp') / SENTINEL}",)


def dipoles(cls):
    """A small model of one of the dipole classes."""
    block = modules.RealAgnosticResidualInteractionBlock
    energies = None if cls is modules.AtomicDipolesMACE else np.array([-1.0, -2.0])
    return cls(
        r_max=4.0,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=1,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=2,
        hidden_irreps=o3.Irreps("3x0e+3x1o"),
        MLP_irreps=o3.Irreps("3x0e+3x1o"),
        avg_num_neighbors=3.0,
        atomic_numbers=[1, 8],
        correlation=2,
        gate=torch.nn.functional.silu,
        atomic_energies=energies,
    )


def write_refused(folder, build):
    """One file a kind; the name says which."""
    folder.mkdir(exist_ok=True)
    model = build("plain", {"layers": 1, "l_max": 1})
    optimiser = torch.optim.Adam(model.parameters())
    trainer = {"model": model.state_dict(), "optimizer": optimiser.state_dict(), "lr_scheduler": {"last_epoch": 3}}
    torch.save(trainer, folder / "trainer.pt")
    torch.save(trainer, folder / "trainer.model")
    torch.save(model.state_dict(), folder / "state_dict.model")
    torch.save(model, folder / "legacy.model", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.SiLU()), folder / "other_module.model")
    torch.save(torch.randn(4, 4), folder / "tensor.model")
    torch.jit.save(jit.compile(build("plain", {"layers": 1, "l_max": 1})), folder / "compiled.model")
    for cls in (modules.EnergyDipolesMACE, modules.AtomicDipolesMACE):
        torch.save(dipoles(cls), folder / f"{cls.__name__}.model")
    torch.save(Hostile(), folder / "hostile_root.model")
    model.readouts.append(Hostile())
    torch.save(model, folder / "hostile_inside.model")
    (folder / "text.model").write_text("this is no model\n")
    whole = (folder / "EnergyDipolesMACE.model").read_bytes()
    (folder / "truncated.model").write_bytes(whole[: len(whole) // 2])
    print("refused:", sorted(path.name for path in folder.iterdir()))
