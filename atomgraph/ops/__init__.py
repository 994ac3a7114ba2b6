"""Tensors in, tensors out: the equations of the house, without atoms or modules."""
