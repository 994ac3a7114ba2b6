"""Readouts: h -> one number (or several) per atom."""
