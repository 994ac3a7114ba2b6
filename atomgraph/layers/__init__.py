"""Layers: (h, graph, edges) -> h, messages between atoms."""
