"""Potential files: our own and other programs'."""
