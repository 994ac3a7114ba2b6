"""Formats of structure files: one module per format, and a table of all formats."""
