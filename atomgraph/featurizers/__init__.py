"""Featurizers: (graph, edges) -> h, the description of each atom."""
