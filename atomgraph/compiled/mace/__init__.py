"""Compiled MACE models: a fused form for each part of MACE, with its kernels and merged weight matrices."""
