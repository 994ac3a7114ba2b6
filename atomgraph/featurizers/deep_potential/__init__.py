"""Descriptors of Deep Potential (DeepPot-SE): environment matrices of neighbours, embedded by neural networks."""
