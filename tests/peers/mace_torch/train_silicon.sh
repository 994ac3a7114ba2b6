#!/bin/sh
# mace-torch on the silicon set, as configs/mace.yaml trains ours: the same shape, cutoff, split, and ten minutes.
#   PYTHON=/path/to/mace/bin/python sh train_silicon.sh FOLDER EPOCHS
# FOLDER holds train.xyz, valid.xyz, test.xyz with REF_energy and REF_forces (silicon_split.py writes them).
set -e
cd "$1"
OMP_NUM_THREADS=2 TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 "$(dirname "$PYTHON")/mace_run_train" \
  --name=silicon --train_file=train.xyz --valid_file=valid.xyz --test_file=test.xyz \
  --energy_key=REF_energy --forces_key=REF_forces --E0s=average --model=ScaleShiftMACE \
  --hidden_irreps="16x0e+16x1o" --max_ell=2 --correlation=3 --r_max=5.0 --num_radial_basis=8 --radial_MLP="[32,32]" \
  --num_interactions=2 --batch_size=2 --valid_batch_size=4 --max_num_epochs="$2" --lr=0.01 --amsgrad --weight_decay=5e-7 \
  --ema --ema_decay=0.99 --scheduler=ReduceLROnPlateau --lr_factor=0.5 --scheduler_patience=5 --eval_interval=2 \
  --energy_weight=1 --forces_weight=10 --swa --start_swa="$(($2 * 3 / 4))" --swa_energy_weight=100 --swa_forces_weight=10 \
  --swa_lr=0.001 --scaling=rms_forces_scaling --default_dtype=float32 --device=cpu --seed=1 --error_table=PerAtomMAE
