"""Convert an archive of atomgraph to mace-torch's ``.model``: ``python to_mace_torch.py IN.npz OUT.model``.

The script needs an environment with mace-torch 0.3.16 or later, and does not need atomgraph.
"""

import json
import os
import sys

import numpy as np

# settings that ``main`` converts; all others are passed unchanged to the constructor
CONVERTED_SETTINGS = ("dtype", "trainable_bessel", "biased_readout", "gate", "avg_num_neighbors")


def main(source, target):
    """Build the model with mace-torch's constructor, set its tensors, and save it."""
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # e3nn 0.4.4 loads constants from a pickle
    import torch
    from e3nn import o3
    from mace import modules
    from mace.modules.blocks import NonLinearBiasReadoutBlock, NonLinearReadoutBlock

    with np.load(source, allow_pickle=False) as archive:
        settings = json.loads(archive["arguments"].tobytes())
        arrays = {name: archive[name] for name in archive.files if name != "arguments"}
    dtype = getattr(torch, settings["dtype"])
    torch.set_default_dtype(dtype)
    arguments = {name: value for name, value in settings.items() if name not in CONVERTED_SETTINGS}
    for name in ("hidden_irreps", "MLP_irreps", "edge_irreps"):
        arguments[name] = None if arguments[name] is None else o3.Irreps(arguments[name])
    for name in ("interaction_cls_first", "interaction_cls"):
        arguments[name] = modules.interaction_classes[arguments[name]]
    model = modules.ScaleShiftMACE(
        atomic_inter_scale=arrays["scale_shift.scale"].tolist(),
        atomic_inter_shift=arrays["scale_shift.shift"].tolist(),
        atomic_energies=arrays["atomic_energies_fn.atomic_energies"],
        num_elements=len(settings["atomic_numbers"]),
        avg_num_neighbors=settings["avg_num_neighbors"][0],
        gate=modules.gate_dict[settings["gate"]],
        readout_cls=NonLinearBiasReadoutBlock if settings["biased_readout"] else NonLinearReadoutBlock,
        use_reduced_cg=False,
        **arguments,
    )
    for interaction, number in zip(model.interactions, settings["avg_num_neighbors"], strict=True):
        interaction.avg_num_neighbors = number
    if settings["trainable_bessel"]:
        basis = model.radial_embedding.bessel_fn
        bessel_weights = basis.bessel_weights
        del basis.bessel_weights
        basis.bessel_weights = torch.nn.Parameter(bessel_weights.clone())
    fill(model, arrays, dtype, torch)
    torch.save(model, target)
    print(f"{target}: {sum(p.numel() for p in model.parameters())} learned numbers, {settings['dtype']}")


def fill(model, arrays, dtype, torch):
    """Copy each array into the tensor of the same name; exit with an error if a nonzero parameter has no array."""
    with torch.no_grad():
        for name, array in arrays.items():
            owner_name, _, key = name.rpartition(".")
            owner = model.get_submodule(owner_name)
            tensor = (
                getattr(owner, key)
                if not (key.isdigit() and isinstance(owner, torch.nn.ParameterList))
                else owner[int(key)]
            )
            values = torch.from_numpy(array.copy()).to(dtype if tensor.is_floating_point() else tensor.dtype)
            if values.numel() == tensor.numel():
                tensor.copy_(values.reshape(tensor.shape))
            elif "contractions" in name:
                # couplings in another basis have another number of paths: other shapes of U and of the weights
                _replace(owner, key, values, tensor, torch)
            else:
                raise SystemExit(f"{name} has {values.numel()} numbers, but mace-torch needs {tensor.numel()}")
    missing_names = [
        name for name, value in model.named_parameters() if name not in arrays and value.numel() and value.any()
    ]
    if missing_names:
        raise SystemExit(f"the archive has no numbers for {missing_names[:3]}")


def _replace(owner, key, values, tensor, torch):
    """Replace a tensor of a module by values of another shape."""
    if not isinstance(tensor, torch.nn.Parameter):
        setattr(owner, key, values)
        return
    # weights, (n_elements, n_paths, n_channels); their array is flat, while that of U has its shape
    parameter = torch.nn.Parameter(values.reshape(tensor.shape[0], -1, tensor.shape[2]))
    if key.isdigit():
        owner[int(key)] = parameter
    else:
        setattr(owner, key, parameter)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
