"""Make mace-torch's ``.model`` of the archive that atomgraph wrote: ``python to_mace_torch.py IN.npz OUT.model``.

Runs by itself, in an environment with mace-torch 0.3.16 or later; atomgraph need not be installed there.
"""

import json
import os
import sys

import numpy as np

OWN = ("dtype", "trainable_bessel", "biased_readout", "gate", "avg_num_neighbors")  # not arguments of the constructor


def main(source, target):
    """Build with mace-torch's own constructor, put the numbers in, save."""
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # e3nn 0.4.4 loads its own constants
    import torch
    from e3nn import o3
    from mace import modules
    from mace.modules.blocks import NonLinearBiasReadoutBlock, NonLinearReadoutBlock

    with np.load(source, allow_pickle=False) as archive:
        told = json.loads(archive["arguments"].tobytes())
        arrays = {name: archive[name] for name in archive.files if name != "arguments"}
    dtype = getattr(torch, told["dtype"])
    torch.set_default_dtype(dtype)
    arguments = {name: value for name, value in told.items() if name not in OWN}
    for name in ("hidden_irreps", "MLP_irreps", "edge_irreps"):
        arguments[name] = None if arguments[name] is None else o3.Irreps(arguments[name])
    for name in ("interaction_cls_first", "interaction_cls"):
        arguments[name] = modules.interaction_classes[arguments[name]]
    model = modules.ScaleShiftMACE(
        atomic_inter_scale=arrays["scale_shift.scale"].tolist(),
        atomic_inter_shift=arrays["scale_shift.shift"].tolist(),
        atomic_energies=arrays["atomic_energies_fn.atomic_energies"],
        num_elements=len(told["atomic_numbers"]),
        avg_num_neighbors=told["avg_num_neighbors"][0],
        gate=modules.gate_dict[told["gate"]],
        readout_cls=NonLinearBiasReadoutBlock if told["biased_readout"] else NonLinearReadoutBlock,
        use_reduced_cg=False,
        **arguments,
    )
    for interaction, number in zip(model.interactions, told["avg_num_neighbors"], strict=True):
        interaction.avg_num_neighbors = number
    if told["trainable_bessel"]:
        basis = model.radial_embedding.bessel_fn
        places = basis.bessel_weights
        del basis.bessel_weights
        basis.bessel_weights = torch.nn.Parameter(places.clone())
    fill(model, arrays, dtype, torch)
    torch.save(model, target)
    print(f"{target}: {sum(p.numel() for p in model.parameters())} learned numbers, {told['dtype']}")


def fill(model, arrays, dtype, torch):
    """Every array into the tensor of its name; every learned number must have come."""
    with torch.no_grad():
        for name, array in arrays.items():
            owner_name, _, key = name.rpartition(".")
            owner = model.get_submodule(owner_name)
            old = (
                getattr(owner, key)
                if not (key.isdigit() and isinstance(owner, torch.nn.ParameterList))
                else owner[int(key)]
            )
            new = torch.from_numpy(array.copy()).to(dtype if old.is_floating_point() else old.dtype)
            if new.numel() == old.numel():
                old.copy_(new.reshape(old.shape))
            elif "contractions" in name:  # another basis of couplings than mace-torch builds
                _replace(owner, key, new, old, torch)
            else:
                raise SystemExit(f"{name} has {new.numel()} numbers, mace-torch wants {old.numel()}")
    left = [name for name, value in model.named_parameters() if name not in arrays and value.numel() and value.any()]
    if left:
        raise SystemExit(f"no numbers came for {left[:3]}")


def _replace(owner, key, new, old, torch):
    if not isinstance(old, torch.nn.Parameter):
        setattr(owner, key, new)
        return
    shaped = torch.nn.Parameter(new.reshape(old.shape[0], -1, old.shape[2]))
    if key.isdigit():
        owner[int(key)] = shaped
    else:
        setattr(owner, key, shaped)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
