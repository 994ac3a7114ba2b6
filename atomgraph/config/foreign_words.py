"""Words from configurations of other programs, and the keys of atomgraph with the same meaning."""

from __future__ import annotations

from atomgraph.old_names import old_names_of

#: Word in lower case → key of atomgraph, as text of a message. Words of MACE, NequIP, Allegro, graph-pes and SchNetPack.
KEYS_BY_FOREIGN_WORD: dict[str, str] = {
    # optimisation
    **dict.fromkeys(("lr", "learning_rate"), "fit.optimizer.lr, as in fit.optimizer: {kind: AdamW, lr: 0.01}"),
    **dict.fromkeys(("weight_decay", "amsgrad", "betas"), "an argument of fit.optimizer"),
    **dict.fromkeys(
        ("batch_size", "valid_batch_size", "val_batch_size", "train_batch_size"),
        "data.edge_budget, the edges of a batch (fit.accumulate_grad_batches adds batches to one step)",
    ),
    **dict.fromkeys(("max_num_epochs", "epochs", "n_epochs", "num_epochs", "epoch"), "fit.max_epochs"),
    **dict.fromkeys(("ema_decay", "use_ema", "ema_use_num_updates"), "fit.ema, the decay factor (null: no average)"),
    **dict.fromkeys(("eval_interval", "val_check_interval"), "fit.check_val_every_n_epoch, in epochs"),
    **dict.fromkeys(("gradient_accumulation", "accumulate_grad_batches"), "fit.accumulate_grad_batches"),
    "training_module": "fit (kind: gradient)",
    **dict.fromkeys(("clip_grad", "max_grad_norm", "gradient_clip_val"), "fit.gradient_clip_val"),
    **dict.fromkeys(("early_stopping", "early_stopping_patience"), "fit.patience"),
    **dict.fromkeys(
        ("scheduler", "lr_scheduler", "scheduler_patience", "lr_factor"),
        "fit.schedule: [{kind: warmup, epochs: 1}, {kind: cosine}], or a phase {kind: plateau}",
    ),
    **dict.fromkeys(
        ("swa", "stage_two", "start_swa", "swa_lr", "swa_energy_weight", "start_stage_two"),
        "a ramp, fit.terms: [{property: energy, weight: {start: 1, end: 50, from_epoch: 100, n_epochs: 35}}, ...]",
    ),
    **dict.fromkeys(
        ("loss", "loss_coeffs", "loss_weights", "energy_weight", "forces_weight", "force_weight", "stress_weight"),
        "fit.terms: [{property: energy, weight: 1.0}, {property: forces, weight: 10.0}]",
    ),
    **dict.fromkeys(("device", "gpu", "gpus", "cuda"), "fit.accelerator (cpu, gpu, auto) and fit.devices"),
    **dict.fromkeys(("default_dtype", "dtype", "model_dtype"), "fit.precision (32-true, 64-true)"),
    **dict.fromkeys(("trainer", "fitter", "fitting", "training"), "fit"),
    # data
    **dict.fromkeys(("energy_key", "energy_keyword"), "data.keys: {energy: NAME}"),
    **dict.fromkeys(("forces_key", "force_key"), "data.keys: {forces: NAME}"),
    **dict.fromkeys(("stress_key", "virials_key", "virial_key"), "data.keys: {stress: NAME} or {virial: NAME}"),
    **dict.fromkeys(("config_type_key", "property_mapping", "key_mapping"), "data.keys: {config_type: NAME, ...}"),
    "head_key": "data.keys: {head: NAME}",
    **dict.fromkeys(
        ("stress_sign", "virial_sign"),
        "data.units: {stress_sign: tension | compression, virial_sign: tension | compression}",
    ),
    "stress_order": "data.units: {stress_order: ase | vasp | lammps}",
    "train_val_test_split": "data.valid and data.test (files, a fraction, or a number)",
    "n_train": "data.train (all its structures that are not in data.valid or data.test are used)",
    **dict.fromkeys(
        ("train_file", "train_data", "dataset_file_name", "dataset", "train_path", "datapath", "data_source_dir"),
        "data.train",
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
    **dict.fromkeys(("num_channels", "num_features", "parity", "max_l"), "model.hidden_irreps: 64x0e+64x1o"),
    **dict.fromkeys(("max_ell", "lmax", "sh_lmax"), "l_max"),
    **dict.fromkeys(("correlation", "max_correlation"), "order"),
    **dict.fromkeys(("num_interactions", "num_layers", "n_interactions"), "n_layers"),
    **dict.fromkeys(
        ("num_radial_basis", "num_bessels", "num_bessel", "n_rbf", "n_basis", "n_max", "nmax"),
        "n_radial (for a MACE here: model.radial: {n_radial: 8})",
    ),
    "mlp_irreps": "model.readout: {readout_hidden: 16}",
    "num_cutoff_basis": "model.radial: {p: 5}",
    "n_sparse": "n_points",
    "heads": "baseline.heads",
    **dict.fromkeys(("foundation_model", "initial_model"), "start: {model: FILE}, in a configuration for finetune"),
    "multiheads_finetuning": "replay: {data: FILES}, in a configuration for finetune",
    "pt_train_file": "replay: {data: FILES}, in a configuration for finetune",
    # output
    **dict.fromkeys(
        (
            "name",
            "work_dir",
            "run_name",
            "results_dir",
            "root",
            "output_dir",
            "default_root_dir",
            "run_dir",
            "dir",
            "path",
            "save_dir",
            "log_dir",
            "model_dir",
            "checkpoints_dir",
        ),
        "output.folder",
    ),
    **dict.fromkeys(("wandb", "wandb_project", "logger", "loggers"), "output.loggers: [csv, wandb]"),
    "seed_everything": "seed",
}

#: Word in lower case → the reason why atomgraph has no such key, as text of a message.
REASONS_FOR_NO_KEY: dict[str, str] = {
    "avg_num_neighbors": "there is no key for it: it is computed from the training structures; leave it out",
    "error_table": "there is no key for it: MAE and RMSE are both in metrics.json; leave it out",
    **dict.fromkeys(
        ("restart_latest", "ckpt_path", "resume", "resume_from_checkpoint"),
        "there is no key for it: `--resume RUN` on the command line resumes a run",
    ),
    **dict.fromkeys(
        ("enable_cueq", "enable_oeq", "only_cueq", "compile", "compile_mode"),
        "there is no key for it: training is not compiled; atomgraph.compile or the option --compile compiles a trained model",
    ),
    "callbacks": "there is no key for it: checkpoints (fit.monitor), fit.patience and fit.ema are built in; leave it out",
    **dict.fromkeys(
        (
            "checkpoint",
            "checkpoints",
            "checkpointing",
            "enable_checkpointing",
            "save_all_checkpoints",
            "keep_checkpoints",
        ),
        "there is no key for it: the last epoch and the best epoch by fit.monitor are always saved; leave it out",
    ),
    "log_every_n_steps": "there is no key for it: metrics.csv has a row for every epoch; leave it out",
    "max_steps": "there is no key for it: fit.max_epochs counts passes over the training structures",
    "overwrite": "there is no key for it: --overwrite on the command line replaces an earlier run",
}

#: Word in lower case → key of a fine-tuning configuration, for words that mean another key there.
FINETUNE_KEYS_BY_FOREIGN_WORD: dict[str, str] = {
    "heads": "start.head (the trained head) and start.new_head (a head to add)",
    **dict.fromkeys(
        ("e0s", "isolated_energies", "atomic_energies", "per_type_energy_shifts", "per_species_rescale_shifts"),
        "e0 (estimate, foundation, isolated, or {H: -13.6, ...})",
    ),
    **dict.fromkeys(("foundation_model", "initial_model", "pretrained"), "start: {model: FILE}"),
    **dict.fromkeys(
        ("multiheads_finetuning", "pt_train_file", "replay_data"), "replay: {data: FILES}, the earlier training data"
    ),
    **dict.fromkeys(
        ("chemical_symbols", "type_names", "model_type_names", "atomic_numbers", "species", "z_table"),
        "start.keep_elements (all, data, or [H, O])",
    ),
}


__getattr__ = old_names_of(__name__)
