"""Modules of equivariant models: linear maps, gates, convolutions, symmetric products, radial embeddings."""
