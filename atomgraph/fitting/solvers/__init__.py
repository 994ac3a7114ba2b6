"""Solvers of linear problems: the data are reduced once to a triangular factor, from which every solver starts."""
