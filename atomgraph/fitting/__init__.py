"""Potentials that are fitted in closed form."""
