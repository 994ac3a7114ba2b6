"""Fused forms of MACE: kernels and folded weights for each of its parts."""
