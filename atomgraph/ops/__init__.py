"""Operations: mathematics on tensors, without atoms or modules.

ops = mathematics on tensors, nn = modules, kernels = C++ and the Python that binds it, compiled = a frozen model made of
kernels.
"""
