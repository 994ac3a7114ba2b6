"""Repulsion of atoms at short range: ZBL, and the core repulsion of the atomic cluster expansion."""
