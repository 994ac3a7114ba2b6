"""Words of other programs' configurations, and where the same thing stands here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

#: Lower-case word → what to write here. Words of MACE, NequIP, Allegro, graph-pes, SchNetPack and of earlier habits.
ELSEWHERE: dict[str, str] = {
    # optimisation
    **dict.fromkeys(("lr", "learning_rate"), "fit.optimizer: {kind: AdamW, lr: 0.01}"),
    **dict.fromkeys(("weight_decay", "amsgrad", "betas"), "an argument of fit.optimizer"),
    **dict.fromkeys(
        ("batch_size", "valid_batch_size", "val_batch_size", "train_batch_size"),
        "data.edge_budget, the edges of a batch (fit.accumulate adds batches to one step)",
    ),
    **dict.fromkeys(("max_num_epochs", "epochs", "n_epochs", "num_epochs"), "fit.max_epochs"),
    **dict.fromkeys(("ema_decay", "use_ema", "ema_use_num_updates"), "fit.ema, the decay (null for none)"),
    **dict.fromkeys(("clip_grad", "max_grad_norm", "gradient_clip_val"), "fit.gradient_clip"),
    **dict.fromkeys(("early_stopping", "early_stopping_patience"), "fit.patience"),
    **dict.fromkeys(
        ("scheduler", "lr_scheduler", "scheduler_patience", "lr_factor"),
        "fit.schedule: [{kind: warmup, epochs: 1}, {kind: cosine}], or a phase {kind: plateau}",
    ),
    **dict.fromkeys(
        ("swa", "stage_two", "start_swa", "swa_lr", "swa_energy_weight", "start_stage_two"),
        "a ramp, fit.terms: [{property: energy, weight: {start: 1, end: 50, from_epoch: 100, over: 35}}, ...]",
    ),
    **dict.fromkeys(
        ("loss", "loss_coeffs", "loss_weights", "energy_weight", "forces_weight", "force_weight", "stress_weight"),
        "fit.terms: [{property: energy, weight: 1.0}, {property: forces, weight: 10.0}]",
    ),
    **dict.fromkeys(("device", "gpu", "cuda"), "fit.accelerator (cpu, gpu, auto) and fit.devices"),
    **dict.fromkeys(("default_dtype", "dtype", "model_dtype"), "fit.precision (32-true, 64-true)"),
    **dict.fromkeys(("trainer", "fitter", "fitting"), "fit"),
    # data
    **dict.fromkeys(("energy_key", "energy_keyword"), "data.keys: {energy: NAME}"),
    **dict.fromkeys(("forces_key", "force_key"), "data.keys: {forces: NAME}"),
    **dict.fromkeys(("stress_key", "virials_key", "virial_key"), "data.keys: {stress: NAME} or {virial: NAME}"),
    **dict.fromkeys(("config_type_key", "property_mapping", "key_mapping"), "data.keys: {config_type: NAME, ...}"),
    **dict.fromkeys(
        ("train_file", "train_data", "dataset_file_name", "dataset", "train_path", "datapath"), "data.train"
    ),
    **dict.fromkeys(
        ("valid_file", "valid_fraction", "val_fraction", "n_val", "num_val", "n_valid", "val", "validation"),
        "data.valid (files, a fraction, or a number)",
    ),
    **dict.fromkeys(("test_file", "n_test", "num_test", "test_fraction"), "data.test (files, a fraction, or a number)"),
    **dict.fromkeys(("config_type_weights", "config_weights"), "data.weights: {TYPE: 2.0}"),
    **dict.fromkeys(("workers", "dataloader_num_workers", "num_train_workers"), "data.num_workers"),
    # baseline
    **dict.fromkeys(
        ("e0s", "isolated_energies", "atomic_energies", "per_type_energy_shifts", "per_species_rescale_shifts"),
        "baseline.e0 (isolated, least_squares, or {H: -13.6, ...})",
    ),
    **dict.fromkeys(
        ("scaling", "per_type_energy_scales", "per_species_rescale_scales", "scale_shift"),
        "baseline.scale (force_rms, energy_std, none, or a number)",
    ),
    **dict.fromkeys(("pair_repulsion", "zbl", "pair_potential"), "baseline.repulsion: zbl"),
    # model
    **dict.fromkeys(("r_max", "rcut", "cutoff_radius", "max_radius"), "cutoff, in Å, among the arguments of model"),
    **dict.fromkeys(
        ("chemical_symbols", "type_names", "model_type_names", "atomic_numbers", "species", "z_table"),
        "model.elements: [H, O], or auto",
    ),
    **dict.fromkeys(("hidden_irreps", "num_channels", "max_l"), "model.hidden: 64x0e+64x1o"),
    **dict.fromkeys(("max_ell", "lmax", "sh_lmax"), "l_max"),
    **dict.fromkeys(("correlation", "max_correlation"), "order"),
    **dict.fromkeys(("num_interactions", "num_layers", "n_interactions"), "n_layers"),
    **dict.fromkeys(("num_radial_basis", "num_bessels", "num_bessel", "n_rbf", "n_basis"), "n_radial"),
    **dict.fromkeys(("foundation_model", "initial_model"), "start: {model: FILE}, in a configuration for finetune"),
    # output
    **dict.fromkeys(
        ("name", "work_dir", "run_name", "results_dir", "root", "output_dir", "default_root_dir", "run_dir"),
        "output.folder",
    ),
    **dict.fromkeys(("wandb", "wandb_project", "logger", "loggers"), "output.loggers: [csv, wandb]"),
}


def elsewhere(word: str, schema: type[BaseModel] | None = None, place: tuple[Any, ...] = ()) -> str:
    """``'; it is X here'`` for a key that stands elsewhere or is another program's word; empty for an unknown one.

    Args:
        word: The unknown key.
        schema: Of the whole configuration: keys of the same name elsewhere in it count, too.
        place: Where the unknown key was given, the key last.
    """
    if schema is not None:
        homes = [".".join(path) for path in _paths(schema) if path[-1] == word and path != place]
        if homes:
            return f"; it is {' or '.join(homes[:3])} here"
    advice = ELSEWHERE.get(word.lower())
    return "" if advice is None else f"; here that is {advice}"


def _paths(annotation: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of a schema with the way to each; lists and choices are gone through, not counted."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield (*before, name)
            yield from _paths(field.annotation, (*before, name))
        return
    for argument in get_args(annotation):
        yield from _paths(argument, before)
